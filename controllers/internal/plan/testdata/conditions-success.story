# Without a failure the Failure step is passed over, and install completes each target.
targets: [web-1, web-2]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
- {name: rollback, condition: Failure, run: {shell: Bash, script: ./rollback}}
-- story --
00:00    web-1 begins install
00:00    web-2 begins install
00:00    (install completes web-1)
00:00    (install completes web-2)
00:10  web-1 install: Succeeded
00:10  web-2 install: Succeeded
00:10  run Succeeded (Succeeded): all steps succeeded on 2 targets

progress 2/2, targets: {Total:2 Pending:0 Running:0 Succeeded:2 Failed:0 Skipped:0 Unreached:0}
step   install        Succeeded 2/2
step   rollback       Skipped   0/2
target web-1          Succeeded
target web-2          Succeeded
