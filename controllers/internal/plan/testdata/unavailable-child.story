# Between children a machine that is away is tried for its retry duration, then the child fails.
targets: [web-1, web-2]
steps:
- name: web
  steps:
  - {name: reboot, run: {shell: Bash, script: ./reboot}}
  - {name: install, deploy: {package: web}}
  - {name: undrain, condition: Always, run: {shell: Bash, script: ./undrain}}
actions:
  web-1 web/install: {unreached: ConnectionRefused}
events:
- {at: 5s, set: web-1=Unavailable}
- {at: 65s, set: web-1=Available}
-- story --
00:00    web-1 begins web/reboot (1 of 1 in flight)
00:05  ! web-1 is now Unavailable
00:10  web-1 web/reboot: Succeeded
00:10    web-1 begins web/install (1 of 1 in flight)
00:10  ? Waiting (ConnectionRefused): web/install waits on web-1: nothing listens there
01:05  ! web-1 is now Available
01:10  web-1 web/install: Failed (Unavailable): the target could not be reached within 1m0s: ConnectionRefused: nothing listens there (the run had already started on it)
01:10    web-1 begins web/undrain (1 of 1 in flight)
01:20  web-1 web/undrain: Succeeded
01:20  run Failed (Failed): web/install failed on web-1: the target could not be reached within 1m0s: ConnectionRefused: nothing listens there (the run had already started on it); of 2 targets 1 failed, 1 not started or not reached

progress 1/2, targets: {Total:2 Pending:0 Running:0 Succeeded:0 Failed:1 Skipped:0 Unreached:1}
step   web/reboot     Succeeded 1/2
step   web/install    Failed    0/2
step   web/undrain    Succeeded 1/2
target web-1          Failed    Unavailable
target web-2          Skipped   Stopped
failure web-1 web/install attempt 1: Unavailable
