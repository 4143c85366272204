# The machine goes away while its script runs, and stays away.
targets: [web-1]
steps:
- {name: install, timeout: 1m, run: {shell: Bash, script: ./install}}
actions:
  web-1 install: {takes: 1h, cancel: never}
events:
- {at: 30s, set: web-1=Unavailable}
-- story --
00:00    web-1 begins install
00:00    (install completes web-1)
00:30  ! web-1 is now Unavailable
01:30    web-1 install is cancelled: it took longer than 1m0s
03:30    web-1 install: Lost (Lost): it took longer than 1m0s; the machine cannot be reached, so the result is not known: web-1 (10.0.0.1:10933)
03:30  run Failed (Failed): install failed on web-1: it took longer than 1m0s; the machine cannot be reached, so the result is not known: web-1 (10.0.0.1:10933); of 1 target 1 failed

progress 1/1, targets: {Total:1 Pending:0 Running:0 Succeeded:0 Failed:1 Skipped:0 Unreached:0}
step   install        Failed    0/1
target web-1          Lost      Lost
failure web-1 install attempt 1: Lost
