# A cancel that comes when the last script is ending changes nothing: what happened is what the run says.
targets: [web-1]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
actions:
  web-1 install: {takes: 20s, cancel: never}
events:
- {at: 19s, stop: Cancel}
-- story --
00:00    web-1 begins install
00:00    (install completes web-1)
00:19  ! a person cancels the run
00:19    web-1 install is cancelled: the run was cancelled
00:20  web-1 install: Succeeded
00:20  run Succeeded (Succeeded): all steps succeeded on 1 target

progress 1/1, targets: {Total:1 Pending:0 Running:0 Succeeded:1 Failed:0 Skipped:0 Unreached:0}
step   install        Succeeded 1/1
target web-1          Succeeded
