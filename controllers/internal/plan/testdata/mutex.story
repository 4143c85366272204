# A script that waits for the machine is waited for as long again as it may take, and no longer.
targets: [web-1]
steps:
- {name: install, timeout: 1m, run: {shell: Bash, script: ./install}}
actions:
  web-1 install: {waits: ever}
-- story --
00:00    web-1 begins install
00:00    (install completes web-1)
00:00  ? Waiting (MachineBusy): install waits on web-1: another script runs there
02:30    web-1 install is cancelled: no start was reported within 2m0s
02:31  web-1 install: Cancelled
02:31  run Failed (Failed): install failed on web-1: it was cancelled because it took too long; of 1 target 1 failed

progress 1/1, targets: {Total:1 Pending:0 Running:0 Succeeded:0 Failed:1 Skipped:0 Unreached:0}
step   install        Failed    0/1
target web-1          Failed    TimedOut
failure web-1 install attempt 1: TimedOut
