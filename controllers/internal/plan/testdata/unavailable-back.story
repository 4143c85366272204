# A machine that is back at its turn is deployed to, though the last health check says that it is away.
targets: [web-1, web-2]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
events:
- {at: 0s, set: web-2=Unavailable ConnectionRefused}
- {at: 1s, set: web-2=Available}
-- story --
00:00  ! web-2 is now Unavailable ConnectionRefused
00:00    web-1 begins install
00:00    web-2 begins install with one attempt to connect, because it could not be reached before: ConnectionRefused
00:00    (install completes web-1)
00:00    (install completes web-2)
00:01  ! web-2 is now Available
00:10  web-1 install: Succeeded
00:11  web-2 install: Succeeded
00:11  run Succeeded (Succeeded): all steps succeeded on 2 targets

progress 2/2, targets: {Total:2 Pending:0 Running:0 Succeeded:2 Failed:0 Skipped:0 Unreached:0}
step   install        Succeeded 2/2
target web-1          Succeeded
target web-2          Succeeded
