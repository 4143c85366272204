# A cancel ends at once what is not sent yet: nothing was begun on the target.
targets: [web-1, web-2]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
actions:
  web-1 install: {prepares: ever, for: NotPrepared secret db is not there}
  web-2 install: {takes: 1m}
events:
- {at: 20s, stop: Cancel}
-- story --
00:00    web-1 begins install
00:00    web-2 begins install
00:00    (install completes web-1)
00:00    (install completes web-2)
00:00  ? Running (NotPrepared): install waits on web-1: secret db is not there
00:20  ! a person cancels the run
00:20    web-1 install is cancelled: the run was cancelled
00:20    web-2 install is cancelled: the run was cancelled
00:20  web-1 install: Cancelled
00:21  web-2 install: Cancelled
00:21  run Cancelled (Cancelled): the run was cancelled; of 2 targets 1 skipped or not finished, 1 not started or not reached

progress 1/2, targets: {Total:2 Pending:0 Running:0 Succeeded:0 Failed:0 Skipped:1 Unreached:1}
step   install        Cancelled 0/2
target web-1          Skipped   Cancelled
target web-2          Cancelled Cancelled
