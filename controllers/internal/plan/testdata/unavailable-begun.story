# A machine on which the run had begun fails when it is away at a later step's turn.
targets: [web-1, web-2]
steps:
- {name: prepare, run: {shell: Bash, script: ./prepare}}
- {name: install, run: {shell: Bash, script: ./install}}
events:
- {at: 5s, set: web-2=Unavailable}
-- story --
00:00    web-1 begins prepare
00:00    web-2 begins prepare
00:05  ! web-2 is now Unavailable
00:10  web-1 prepare: Succeeded
00:10  web-2 prepare: Succeeded
00:10    web-1 begins install
00:10    web-2 begins install with one attempt to connect, because it could not be reached before
00:10    (install completes web-1)
00:10    (install completes web-2)
00:11  web-2 install: Failed (Unavailable): the target could not be reached: ConnectionRefused: nothing listens there (the run had already started on it)
00:20  web-1 install: Succeeded
00:20  run Failed (Failed): install failed on web-2: the target could not be reached: ConnectionRefused: nothing listens there (the run had already started on it); of 2 targets 1 succeeded, 1 failed

progress 2/2, targets: {Total:2 Pending:0 Running:0 Succeeded:1 Failed:1 Skipped:0 Unreached:0}
step   prepare        Succeeded 2/2
step   install        Failed    1/2
target web-1          Succeeded
target web-2          Failed    Unavailable
failure web-2 install attempt 1: Unavailable
