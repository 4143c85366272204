# A machine that cannot be reached while its script runs says so, and for what it waits; it goes on when it is back.
targets: [web-1, web-2]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
actions:
  "*": {takes: 1m}
events:
- {at: 10s, set: web-1=Unavailable NoRoute}
- {at: 40s, set: web-1=Available}
-- story --
00:00    web-1 begins install
00:00    web-2 begins install
00:00    (install completes web-1)
00:00    (install completes web-2)
00:10  ! web-1 is now Unavailable NoRoute
00:10  ? Running (NoRoute): install waits on web-1: the machine does not answer
00:40  ! web-1 is now Available
01:00  web-1 install: Succeeded
01:00  web-2 install: Succeeded
01:00  run Succeeded (Succeeded): all steps succeeded on 2 targets

progress 2/2, targets: {Total:2 Pending:0 Running:0 Succeeded:2 Failed:0 Skipped:0 Unreached:0}
step   install        Succeeded 2/2
target web-1          Succeeded
target web-2          Succeeded
