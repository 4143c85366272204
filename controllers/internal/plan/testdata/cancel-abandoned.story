# What does not end within two minutes of a cancel is abandoned, and where the machine is away it is lost.
targets: [web-1, web-2, web-3]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
actions:
  web-1 install: {takes: 1h, cancel: never}
  web-2 install: {takes: 1h, cancel: never}
  web-3 install: {takes: 1h}
events:
- {at: 20s, stop: Cancel}
- {at: 30s, set: web-2=Unavailable}
-- story --
00:00    web-1 begins install
00:00    web-2 begins install
00:00    web-3 begins install
00:00    (install completes web-1)
00:00    (install completes web-2)
00:00    (install completes web-3)
00:20  ! a person cancels the run
00:20    web-1 install is cancelled: the run was cancelled
00:20    web-2 install is cancelled: the run was cancelled
00:20    web-3 install is cancelled: the run was cancelled
00:21  web-3 install: Cancelled
00:30  ! web-2 is now Unavailable
02:20    web-1 install: Abandoned (Abandoned): the run was cancelled, and it did not end within 2m0s of being cancelled: web-1 (10.0.0.1:10933)
02:20    web-2 install: Lost (Lost): the run was cancelled; the machine cannot be reached, so the result is not known: web-2 (10.0.0.1:10933)
02:20  run Abandoned (Abandoned): the run was cancelled, but something may still be running: install, web-1 (10.0.0.1:10933); install, web-2 (10.0.0.1:10933); of 3 targets 2 failed, 1 skipped or not finished

progress 3/3, targets: {Total:3 Pending:0 Running:0 Succeeded:0 Failed:2 Skipped:1 Unreached:0}
step   install        Failed    0/3
target web-1          Abandoned Abandoned
target web-2          Lost      Lost
target web-3          Cancelled Cancelled
failure web-1 install attempt 1: Abandoned
failure web-2 install attempt 1: Lost
