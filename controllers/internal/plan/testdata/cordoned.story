# A cordoned machine is left out like one that is away; cordoned in the middle of its children it finishes them.
targets: [web-1, web-2, web-3]
steps:
- name: web
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: undrain, run: {shell: Bash, script: ./undrain}}
events:
- {at: 5s, set: web-1=Cordoned}
- {at: 5s, set: web-2=Cordoned}
-- story --
00:00    web-1 begins web/drain (1 of 1 in flight)
00:05  ! web-1 is now Cordoned
00:05  ! web-2 is now Cordoned
00:10  web-1 web/drain: Succeeded
00:10    web-1 begins web/undrain (1 of 1 in flight)
00:10    (web/undrain completes web-1)
00:20  web-1 web/undrain: Succeeded
00:20    web-2 web/drain: Skipped (Cordoned): the target is cordoned
00:20    web-3 begins web/drain (1 of 1 in flight)
00:30  web-3 web/drain: Succeeded
00:30    web-3 begins web/undrain (1 of 1 in flight)
00:30    (web/undrain completes web-3)
00:40  web-3 web/undrain: Succeeded
00:40  run Succeeded (Succeeded): all steps succeeded on 2 of 3 targets; cordoned, deployed to later: web-2

progress 2/3, targets: {Total:3 Pending:0 Running:0 Succeeded:2 Failed:0 Skipped:1 Unreached:0}
step   web/drain      Succeeded 2/3
step   web/undrain    Succeeded 2/3
target web-1          Succeeded
target web-2          Skipped   Cordoned
target web-3          Succeeded
