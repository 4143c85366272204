# The first child fails before anything is sent: nothing was drained, so the Always child does not run there. The targets
# to which nothing was sent did not begin.
targets: [web-1, web-2]
steps:
- name: web
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: install, deploy: {package: web}}
  - {name: undrain, condition: Always, run: {shell: Bash, script: ./undrain}}
actions:
  web-1 web/drain: {unsent: VariableMissing}
-- story --
00:00    web-1 begins web/drain (1 of 1 in flight)
00:01  web-1 web/drain: Failed (VariableMissing), not sent
00:01  run Failed (Failed): web/drain failed on web-1: VariableMissing; of 2 targets 1 failed, 1 not started or not reached

progress 1/2, targets: {Total:2 Pending:0 Running:0 Succeeded:0 Failed:1 Skipped:0 Unreached:1}
step   web/drain      Failed    0/2
step   web/install    Skipped   0/2
step   web/undrain    Skipped   0/2
target web-1          Failed    VariableMissing
target web-2          Skipped   Stopped
failure web-1 web/drain attempt 1: VariableMissing
