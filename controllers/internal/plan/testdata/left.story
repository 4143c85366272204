# One target leaves the environment in the middle of a step, one before its turn. The first finishes its step; neither takes
# another turn, and neither is a failure. One that comes back before its next turn has not left.
targets: [web-1, web-2, web-3, web-4]
steps:
- name: web
  window: 2
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: undrain, condition: Always, run: {shell: Bash, script: ./undrain}}
- {name: smoke, run: {shell: Bash, script: ./smoke}}
- {name: tell, condition: Always, run: {shell: Bash, script: ./tell}}
events:
- {at: 5s, set: web-1=Left}
- {at: 6s, set: web-3=Left}
- {at: 7s, set: web-2=Left}
- {at: 25s, set: web-2=Available}
-- story --
00:00    web-1 begins web/drain (1 of 2 in flight)
00:00    web-2 begins web/drain (2 of 2 in flight)
00:05  ! web-1 is now Left
00:06  ! web-3 is now Left
00:07  ! web-2 is now Left
00:10  web-1 web/drain: Succeeded
00:10  web-2 web/drain: Succeeded
00:10    web-1 begins web/undrain (1 of 2 in flight)
00:10    web-2 begins web/undrain (2 of 2 in flight)
00:20  web-1 web/undrain: Succeeded
00:20  web-2 web/undrain: Succeeded
00:20    web-3 web/drain: Skipped (TargetChanged): the target is no longer in the environment
00:20    web-4 begins web/drain (1 of 2 in flight)
00:25  ! web-2 is now Available
00:30  web-4 web/drain: Succeeded
00:30    web-4 begins web/undrain (1 of 2 in flight)
00:40  web-4 web/undrain: Succeeded
00:40    web-1 smoke: Skipped (TargetChanged): the target is no longer in the environment
00:40    web-2 begins smoke
00:40    web-4 begins smoke
00:50  web-2 smoke: Succeeded
00:50  web-4 smoke: Succeeded
00:50    web-2 begins tell
00:50    web-4 begins tell
00:50    (tell completes web-2)
00:50    (tell completes web-4)
01:00  web-2 tell: Succeeded
01:00  web-4 tell: Succeeded
01:00  run Succeeded (Succeeded): all steps succeeded on 2 of 4 targets; changed, or removed from the environment, during the run: web-1, web-3

progress 3/4, targets: {Total:4 Pending:0 Running:0 Succeeded:2 Failed:0 Skipped:2 Unreached:0}
step   web/drain      Succeeded 3/4
step   web/undrain    Succeeded 3/4
step   smoke          Succeeded 2/4
step   tell           Succeeded 2/4
target web-1          Cancelled TargetChanged
target web-2          Succeeded
target web-3          Skipped   TargetChanged
target web-4          Succeeded
