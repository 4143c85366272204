# An environment without targets.
targets: []
steps:
- {name: install, run: {shell: Bash, script: ./install}}
-- story --
00:00  run Failed (NoTargets): the environment has no target for the project: add a DeploymentTarget, or set settings.noTargets to Succeed

progress 0/0, targets: {Total:0 Pending:0 Running:0 Succeeded:0 Failed:0 Skipped:0 Unreached:0}
step   install        Skipped   0/0
