# With unavailableTargets: Fail a machine that goes away just before its turn fails, though nothing was sent to it; its
# other children do not run.
targets: [web-1]
settings: {unavailableTargets: Fail}
steps:
- name: web
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: undrain, condition: Always, run: {shell: Bash, script: ./undrain}}
actions:
  web-1 web/drain: {unreached: ConnectionRefused}
-- story --
00:00    web-1 begins web/drain
00:00  ? Waiting (ConnectionRefused): web/drain waits on web-1: nothing listens there
01:00  web-1 web/drain: Failed (Unavailable): the target could not be reached within 1m0s: ConnectionRefused: nothing listens there
01:00  run Failed (Failed): web/drain failed on web-1: the target could not be reached within 1m0s: ConnectionRefused: nothing listens there; of 1 target 1 failed

progress 1/1, targets: {Total:1 Pending:0 Running:0 Succeeded:0 Failed:1 Skipped:0 Unreached:0}
step   web/drain      Failed    0/1
step   web/undrain    Skipped   0/1
target web-1          Failed    Unavailable
failure web-1 web/drain attempt 1: Unavailable
