# A person cancels: the running child is ended, its later children (Always too) and the other targets are skipped.
targets: [web-1, web-2]
steps:
- name: web
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: install, deploy: {package: web}}
  - {name: undrain, condition: Always, run: {shell: Bash, script: ./undrain}}
- {name: tell, condition: Always, run: {shell: Bash, script: ./tell}}
actions:
  web-1 web/install: {takes: 5m, cancel: 4s}
events:
- {at: 20s, stop: Cancel}
-- story --
00:00    web-1 begins web/drain (1 of 1 in flight)
00:10  web-1 web/drain: Succeeded
00:10    web-1 begins web/install (1 of 1 in flight)
00:20  ! a person cancels the run
00:20    web-1 web/install is cancelled: the run was cancelled
00:24  web-1 web/install: Cancelled
00:24  run Cancelled (Cancelled): the run was cancelled; of 2 targets 1 skipped or not finished, 1 not started or not reached

progress 1/2, targets: {Total:2 Pending:0 Running:0 Succeeded:0 Failed:0 Skipped:1 Unreached:1}
step   web/drain      Succeeded 1/2
step   web/install    Cancelled 0/2
step   web/undrain    Skipped   0/2
step   tell           Skipped   0/2
target web-1          Cancelled Cancelled
target web-2          Skipped   Cancelled
