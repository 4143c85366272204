# An environment without targets, where that is all right.
targets: []
settings: {noTargets: Succeed}
steps:
- {name: install, run: {shell: Bash, script: ./install}}
-- story --
00:00  run Succeeded (NoTargets): the environment has no target for the project; settings.noTargets is Succeed

progress 0/0, targets: {Total:0 Pending:0 Running:0 Succeeded:0 Failed:0 Skipped:0 Unreached:0}
step   install        Skipped   0/0
