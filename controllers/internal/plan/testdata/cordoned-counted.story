# In a run that failed cordoned machines are counted apart from those that could not be reached, and one on which the run
# had begun fails as cordoned.
targets: [web-1, web-2, web-3, web-4]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
- {name: tell, run: {shell: Bash, script: ./tell}}
events:
- {at: 0s, set: web-1=Cordoned}
- {at: 0s, set: web-2=Unavailable}
- {at: 5s, set: web-3=Cordoned}
-- story --
00:00  ! web-1 is now Cordoned
00:00  ! web-2 is now Unavailable
00:00    web-1 install: Skipped (Cordoned): the target is cordoned
00:00    web-2 begins install with one attempt to connect, because it could not be reached before
00:00    web-3 begins install
00:00    web-4 begins install
00:01  web-2 install: Skipped (Unavailable): the target could not be reached: ConnectionRefused: nothing listens there
00:05  ! web-3 is now Cordoned
00:10  web-3 install: Succeeded
00:10  web-4 install: Succeeded
00:10    web-3 tell: Failed (Cordoned): the target is cordoned (the run had already started on it)
00:10  run Failed (Failed): tell failed on web-3: the target is cordoned (the run had already started on it); of 4 targets 1 failed, 1 cordoned, 1 skipped or not finished, 1 not started or not reached

progress 2/4, targets: {Total:4 Pending:0 Running:0 Succeeded:0 Failed:1 Skipped:2 Unreached:1}
step   install        Succeeded 2/4
step   tell           Failed    0/4
target web-1          Skipped   Cordoned
target web-2          Skipped   Unavailable
target web-3          Failed    Cordoned
target web-4          Cancelled Stopped
failure web-3 tell attempt 0: Cordoned
