# An untrusted machine fails with its own reason, whatever unavailableTargets says.
targets: [web-1, web-2, web-3]
steps:
- {name: install, window: 1, run: {shell: Bash, script: ./install}}
- {name: tell, condition: Always, run: {shell: Bash, script: ./tell}}
events:
- {at: 5s, set: web-2=Untrusted ThumbprintMismatch}
-- story --
00:00    web-1 begins install (1 of 1 in flight)
00:05  ! web-2 is now Untrusted ThumbprintMismatch
00:10  web-1 install: Succeeded
00:10    web-2 install: Failed (ThumbprintMismatch): the target is not trusted: ThumbprintMismatch
00:10    web-1 begins tell
00:10    web-2 tell: Failed (ThumbprintMismatch): the target is not trusted: ThumbprintMismatch
00:10    web-3 begins tell
00:10    (tell completes web-1)
00:20  web-1 tell: Succeeded
00:20  web-3 tell: Succeeded
00:20  run Failed (Failed): install failed on web-2: the target is not trusted: ThumbprintMismatch (and 1 more); of 3 targets 1 succeeded, 1 failed, 1 skipped or not finished

progress 3/3, targets: {Total:3 Pending:0 Running:0 Succeeded:1 Failed:1 Skipped:1 Unreached:0}
step   install        Failed    1/3
step   tell           Failed    2/3
target web-1          Succeeded
target web-2          Failed    ThumbprintMismatch
target web-3          Cancelled Stopped
failure web-2 install attempt 0: ThumbprintMismatch
failure web-2 tell attempt 0: ThumbprintMismatch
