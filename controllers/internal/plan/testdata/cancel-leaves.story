# The machine itself tells which processes it could not end.
targets: [web-1, web-2]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
actions:
  web-1 install: {takes: 1h, cancel: 30s, leaves: [4711]}
  web-2 install: {takes: 1h, cancel: 40s, leaves: [81, 82]}
events:
- {at: 20s, stop: Cancel}
-- story --
00:00    web-1 begins install
00:00    web-2 begins install
00:00    (install completes web-1)
00:00    (install completes web-2)
00:20  ! a person cancels the run
00:20    web-1 install is cancelled: the run was cancelled
00:20    web-2 install is cancelled: the run was cancelled
00:50  web-1 install: Abandoned (Abandoned): the machine could not end it: process 4711 on web-1 (10.0.0.1:10933)
01:00  web-2 install: Abandoned (Abandoned): the machine could not end it: processes 81, 82 on web-2 (10.0.0.1:10933)
01:00  run Abandoned (Abandoned): the run was cancelled, but something may still be running: install, process 4711 on web-1 (10.0.0.1:10933); install, processes 81, 82 on web-2 (10.0.0.1:10933); of 2 targets 2 failed

progress 2/2, targets: {Total:2 Pending:0 Running:0 Succeeded:0 Failed:2 Skipped:0 Unreached:0}
step   install        Failed    0/2
target web-1          Abandoned Abandoned
target web-2          Abandoned Abandoned
failure web-1 install attempt 1: Abandoned
failure web-2 install attempt 1: Abandoned
