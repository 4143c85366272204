# Nobody is there: nothing was deployed, and the run says so.
targets: [web-1, web-2]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
actions:
  "*": {unreached: ConnectTimedOut}
-- story --
00:00    web-1 begins install
00:00    web-2 begins install
00:00    (install completes web-1)
00:00    (install completes web-2)
00:00  ? Waiting (ConnectTimedOut): install waits on web-1: nothing listens there
00:00  ? Waiting (ConnectTimedOut): install waits on web-2: nothing listens there
01:00  web-1 install: Skipped (Unavailable): the target could not be reached within 1m0s: ConnectTimedOut: nothing listens there
01:00  web-2 install: Skipped (Unavailable): the target could not be reached within 1m0s: ConnectTimedOut: nothing listens there
01:00  run Skipped (Unavailable): nothing was deployed: 2 targets could not be reached; the release is deployed to them when they are reachable again

progress 0/2, targets: {Total:2 Pending:0 Running:0 Succeeded:0 Failed:0 Skipped:0 Unreached:2}
step   install        Skipped   0/2
target web-1          Skipped   Unavailable
target web-2          Skipped   Unavailable
