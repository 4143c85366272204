# One target is deleted while its script runs, one gets another pin before its turn: neither is a failure.
targets: [web-1, web-2, web-3]
steps:
- name: web
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: undrain, run: {shell: Bash, script: ./undrain}}
events:
- {at: 15s, set: web-1=Deleted}
- {at: 16s, set: web-2=Changed}
-- story --
00:00    web-1 begins web/drain (1 of 1 in flight)
00:10  web-1 web/drain: Succeeded
00:10    web-1 begins web/undrain (1 of 1 in flight)
00:10    (web/undrain completes web-1)
00:15  ! web-1 is now Deleted
00:15    web-1 web/undrain: Cancelled (TargetDeleted): the target was deleted or recreated while web/undrain was running; its result is no longer tracked: web-1 (10.0.0.1:10933)
00:15    web-2 begins web/drain (1 of 1 in flight)
00:16  ! web-2 is now Changed
00:16    web-2 web/drain: Cancelled (TargetChanged): the thumbprint of the target was changed while web/drain was running; its result is no longer tracked: web-2 (10.0.0.1:10933)
00:16    web-3 begins web/drain (1 of 1 in flight)
00:26  web-3 web/drain: Succeeded
00:26    web-3 begins web/undrain (1 of 1 in flight)
00:26    (web/undrain completes web-3)
00:36  web-3 web/undrain: Succeeded
00:36  run Succeeded (Succeeded): all steps succeeded on 1 of 3 targets; deleted during the run: web-1; changed, or removed from the environment, during the run: web-2

progress 3/3, targets: {Total:3 Pending:0 Running:0 Succeeded:1 Failed:0 Skipped:2 Unreached:0}
step   web/drain      Succeeded 2/3
step   web/undrain    Succeeded 1/3
target web-1          Cancelled TargetDeleted
target web-2          Cancelled TargetChanged
target web-3          Succeeded
