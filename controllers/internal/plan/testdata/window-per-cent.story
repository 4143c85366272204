# 40% of three targets rounds up to two.
targets: [web-1, web-2, web-3]
steps:
- {name: install, window: 40%, run: {shell: Bash, script: ./install}}
-- story --
00:00    web-1 begins install (1 of 2 in flight)
00:00    web-2 begins install (2 of 2 in flight)
00:00    (install completes web-1)
00:00    (install completes web-2)
00:10  web-1 install: Succeeded
00:10  web-2 install: Succeeded
00:10    web-3 begins install (1 of 2 in flight)
00:10    (install completes web-3)
00:20  web-3 install: Succeeded
00:20  run Succeeded (Succeeded): all steps succeeded on 3 targets

progress 3/3, targets: {Total:3 Pending:0 Running:0 Succeeded:3 Failed:0 Skipped:0 Unreached:0}
step   install        Succeeded 3/3
target web-1          Succeeded
target web-2          Succeeded
target web-3          Succeeded
