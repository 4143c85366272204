# Not even the cancel ends it.
targets: [web-1, web-2]
steps:
- {name: install, timeout: 1m, window: 1, run: {shell: Bash, script: ./install}}
- {name: tell, condition: Failure, run: {shell: Bash, script: ./tell}}
actions:
  web-1 install: {takes: 1h, cancel: never}
-- story --
00:00    web-1 begins install (1 of 1 in flight)
00:00    (install completes web-1)
01:30    web-1 install is cancelled: it took longer than 1m0s
03:30    web-1 install: Abandoned (Abandoned): it took longer than 1m0s, and it did not end within 2m0s of being cancelled: web-1 (10.0.0.1:10933)
03:30    web-1 begins tell
03:30    web-2 begins tell
03:40  web-1 tell: Succeeded
03:40  web-2 tell: Succeeded
03:40  run Failed (Failed): install failed on web-1: it took longer than 1m0s, and it did not end within 2m0s of being cancelled: web-1 (10.0.0.1:10933); of 2 targets 1 failed, 1 skipped or not finished

progress 2/2, targets: {Total:2 Pending:0 Running:0 Succeeded:0 Failed:1 Skipped:1 Unreached:0}
step   install        Failed    0/2
step   tell           Succeeded 2/2
target web-1          Abandoned Abandoned
target web-2          Cancelled Stopped
failure web-1 install attempt 1: Abandoned
