# Every machine is cordoned: nothing was deployed, and nobody says that they could not be reached.
targets: [web-1, web-2]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
events:
- {at: 0s, set: web-1=Cordoned}
- {at: 0s, set: web-2=Cordoned}
-- story --
00:00  ! web-1 is now Cordoned
00:00  ! web-2 is now Cordoned
00:00    web-1 install: Skipped (Cordoned): the target is cordoned
00:00    web-2 install: Skipped (Cordoned): the target is cordoned
00:00  run Skipped (Cordoned): nothing was deployed: 2 targets are cordoned; the release is deployed to them when they are no longer cordoned

progress 0/2, targets: {Total:2 Pending:0 Running:0 Succeeded:0 Failed:0 Skipped:2 Unreached:0}
step   install        Skipped   0/2
target web-1          Skipped   Cordoned
target web-2          Skipped   Cordoned
