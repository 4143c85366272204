# A window of two slides: as one target finishes, the next by name begins.
targets: [web-1, web-2, web-3, web-4]
steps:
- {name: install, window: 2, run: {shell: Bash, script: ./install}}
actions:
  web-1 install: {takes: 30s}
-- story --
00:00    web-1 begins install (1 of 2 in flight)
00:00    web-2 begins install (2 of 2 in flight)
00:00    (install completes web-1)
00:00    (install completes web-2)
00:10  web-2 install: Succeeded
00:10    web-3 begins install (2 of 2 in flight)
00:10    (install completes web-3)
00:20  web-3 install: Succeeded
00:20    web-4 begins install (2 of 2 in flight)
00:20    (install completes web-4)
00:30  web-1 install: Succeeded
00:30  web-4 install: Succeeded
00:30  run Succeeded (Succeeded): all steps succeeded on 4 targets

progress 4/4, targets: {Total:4 Pending:0 Running:0 Succeeded:4 Failed:0 Skipped:0 Unreached:0}
step   install        Succeeded 4/4
target web-1          Succeeded
target web-2          Succeeded
target web-3          Succeeded
target web-4          Succeeded
