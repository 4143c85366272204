# The engine enforces a timeout; where it does not, the operator cancels 30 s later. That counts as a failure.
targets: [web-1, web-2]
steps:
- {name: install, timeout: 1m, window: 1, run: {shell: Bash, script: ./install}}
actions:
  web-1 install: {takes: 1h, waits: 20s}
-- story --
00:00    web-1 begins install (1 of 1 in flight)
00:00    (install completes web-1)
00:00  ? Waiting (MachineBusy): install waits on web-1: another script runs there
01:50    web-1 install is cancelled: it took longer than 1m0s
01:51  web-1 install: Cancelled
01:51  run Failed (Failed): install failed on web-1: it was cancelled because it took too long; of 2 targets 1 failed, 1 not started or not reached

progress 1/2, targets: {Total:2 Pending:0 Running:0 Succeeded:0 Failed:1 Skipped:0 Unreached:1}
step   install        Failed    0/2
target web-1          Failed    TimedOut
target web-2          Skipped   Stopped
failure web-1 install attempt 1: TimedOut
