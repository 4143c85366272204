# A machine that is away at its turn is left out of the whole run, as is one that cannot be sent to; the run succeeds
# on the others, and these two converge later.
targets: [web-1, web-2, web-3]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
- {name: tell, run: {shell: Bash, script: ./tell}}
actions:
  web-3 install: {unreached: ConnectionRefused}
events:
- {at: 0s, set: web-2=Unavailable}
- {at: 15s, set: web-2=Available}
-- story --
00:00  ! web-2 is now Unavailable
00:00    web-1 begins install
00:00    web-2 begins install with one attempt to connect, because it could not be reached before
00:00    web-3 begins install
00:00  ? Running (ConnectionRefused): install waits on web-3: nothing listens there
00:01  web-2 install: Skipped (Unavailable): the target could not be reached: ConnectionRefused: nothing listens there
00:10  web-1 install: Succeeded
00:10  ? Waiting (ConnectionRefused): install waits on web-3: nothing listens there
00:15  ! web-2 is now Available
01:00  web-3 install: Skipped (Unavailable): the target could not be reached within 1m0s: ConnectionRefused: nothing listens there
01:00    web-1 begins tell
01:00    (tell completes web-1)
01:10  web-1 tell: Succeeded
01:10  run Succeeded (Succeeded): all steps succeeded on 1 of 3 targets; not reached, deployed to later: web-2, web-3

progress 1/3, targets: {Total:3 Pending:0 Running:0 Succeeded:1 Failed:0 Skipped:0 Unreached:2}
step   install        Succeeded 1/3
step   tell           Succeeded 1/3
target web-1          Succeeded
target web-2          Skipped   Unavailable
target web-3          Skipped   Unavailable
