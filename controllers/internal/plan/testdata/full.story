# A machine that holds as many projects as it can fails with that reason, and is not taken for untrusted.
targets: [web-1, web-2]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
events:
- {at: 0s, set: web-2=Full}
-- story --
00:00  ! web-2 is now Full
00:00    web-1 begins install
00:00    web-2 install: Failed (TooManyProjects): the target has reached its limit of projects
00:00    (install completes web-1)
00:10  web-1 install: Succeeded
00:10  run Failed (Failed): install failed on web-2: the target has reached its limit of projects; of 2 targets 1 succeeded, 1 failed

progress 2/2, targets: {Total:2 Pending:0 Running:0 Succeeded:1 Failed:1 Skipped:0 Unreached:0}
step   install        Failed    1/2
target web-1          Succeeded
target web-2          Failed    TooManyProjects
failure web-2 install attempt 0: TooManyProjects
