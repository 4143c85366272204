# With unavailableTargets: Fail a machine that is away fails the run.
targets: [web-1, web-2, web-3]
settings: {unavailableTargets: Fail}
steps:
- name: web
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: undrain, condition: Always, run: {shell: Bash, script: ./undrain}}
events:
- {at: 5s, set: web-2=Unavailable}
-- story --
00:00    web-1 begins web/drain (1 of 1 in flight)
00:05  ! web-2 is now Unavailable
00:10  web-1 web/drain: Succeeded
00:10    web-1 begins web/undrain (1 of 1 in flight)
00:10    (web/undrain completes web-1)
00:20  web-1 web/undrain: Succeeded
00:20    web-2 begins web/drain with one attempt to connect, because it could not be reached before
00:21  web-2 web/drain: Failed (Unavailable): the target could not be reached: ConnectionRefused: nothing listens there
00:21  run Failed (Failed): web/drain failed on web-2: the target could not be reached: ConnectionRefused: nothing listens there; of 3 targets 1 succeeded, 1 failed, 1 not started or not reached

progress 2/3, targets: {Total:3 Pending:0 Running:0 Succeeded:1 Failed:1 Skipped:0 Unreached:1}
step   web/drain      Failed    1/3
step   web/undrain    Succeeded 1/3
target web-1          Succeeded
target web-2          Failed    Unavailable
target web-3          Skipped   Stopped
failure web-2 web/drain attempt 1: Unavailable
