# The smoke test fails on the first of three: its target is still taken back into the load balancer, the others are
# not touched.
targets: [web-1, web-2, web-3]
steps:
- name: web
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: install, deploy: {package: web}}
  - {name: smoke, run: {shell: Bash, script: ./smoke}}
  - {name: boast, run: {shell: Bash, script: ./boast}}
  - {name: repair, condition: Failure, run: {shell: Bash, script: ./repair}}
  - {name: undrain, condition: Always, run: {shell: Bash, script: ./undrain}}
actions:
  web-1 web/smoke: {exit: 7}
-- story --
00:00    web-1 begins web/drain (1 of 1 in flight)
00:10  web-1 web/drain: Succeeded
00:10    web-1 begins web/install (1 of 1 in flight)
00:20  web-1 web/install: Succeeded
00:20    web-1 begins web/smoke (1 of 1 in flight)
00:30  web-1 web/smoke: Failed
00:30    web-1 web/boast: Skipped (Condition): an earlier child of the rolling step failed on this target
00:30    web-1 begins web/repair (1 of 1 in flight)
00:40  web-1 web/repair: Succeeded
00:40    web-1 begins web/undrain (1 of 1 in flight)
00:50  web-1 web/undrain: Succeeded
00:50  run Failed (Failed): web/smoke failed on web-1: exit code 7; of 3 targets 1 failed, 2 not started or not reached

progress 1/3, targets: {Total:3 Pending:0 Running:0 Succeeded:0 Failed:1 Skipped:0 Unreached:2}
step   web/drain      Succeeded 1/3
step   web/install    Succeeded 1/3
step   web/smoke      Failed    0/3
step   web/boast      Skipped   0/3
step   web/repair     Succeeded 1/3
step   web/undrain    Succeeded 1/3
target web-1          Failed    ExitCode
target web-2          Skipped   Stopped
target web-3          Skipped   Stopped
failure web-1 web/smoke attempt 1: ExitCode
