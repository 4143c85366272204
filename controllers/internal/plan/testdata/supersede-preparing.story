# A run that is superseded gives up what still waits to be sent after a minute, as another run waits for it. What it
# waited for before does not count.
targets: [web-1, web-2]
steps:
- {name: install, window: 1, run: {shell: Bash, script: ./install}}
actions:
  web-1 install: {prepares: ever, for: NotPrepared secret db is not there}
events:
- {at: 10m, stop: Supersede}
-- story --
00:00    web-1 begins install (1 of 1 in flight)
00:00    (install completes web-1)
00:00  ? Waiting (NotPrepared): install waits on web-1: secret db is not there
10:00  ! the binding asks for another release
11:00    web-1 install is given up: the run was superseded, and it was not sent within 1m0s: NotPrepared: secret db is not there
11:00  web-1 install: Failed (NotPrepared): secret db is not there
11:00  run Failed (Failed): install failed on web-1: secret db is not there; of 2 targets 1 failed, 1 not started or not reached

progress 1/2, targets: {Total:2 Pending:0 Running:0 Succeeded:0 Failed:1 Skipped:0 Unreached:1}
step   install        Failed    0/2
target web-1          Failed    NotPrepared
target web-2          Skipped   Stopped
failure web-1 install attempt 1: NotPrepared
