# One machine is cordoned and one cannot be reached: each has its own words.
targets: [web-1, web-2]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
events:
- {at: 0s, set: web-1=Cordoned}
- {at: 0s, set: web-2=Unavailable}
-- story --
00:00  ! web-1 is now Cordoned
00:00  ! web-2 is now Unavailable
00:00    web-1 install: Skipped (Cordoned): the target is cordoned
00:00    web-2 begins install with one attempt to connect, because it could not be reached before
00:00    (install completes web-2)
00:01  web-2 install: Skipped (Unavailable): the target could not be reached: ConnectionRefused: nothing listens there
00:01  run Skipped (Unavailable): nothing was deployed: 1 target could not be reached, 1 target is cordoned; the release is deployed to them when they are reachable again or no longer cordoned

progress 0/2, targets: {Total:2 Pending:0 Running:0 Succeeded:0 Failed:0 Skipped:1 Unreached:1}
step   install        Skipped   0/2
target web-1          Skipped   Cordoned
target web-2          Skipped   Unavailable
