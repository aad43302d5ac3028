{"at": "2026-11-28T09:32:30.670Z", "level": "error", "code": "XS-USAGE", "about": "command"}
{"at": "2026-11-28T09:32:30.670Z", "level": "error", "code": "run.ended", "command": "error", "exit_code": 2}
{"at": "2026-11-28T09:36:13.557Z", "level": "error", "code": "XS-USAGE", "about": "command"}
{"at": "2026-11-28T09:36:13.557Z", "level": "error", "code": "run.ended", "command": "error", "exit_code": 2}
{"at": "2026-11-28T09:38:32.036Z", "level": "error", "code": "XS-USAGE", "about": "command"}
{"at": "2026-11-28T09:38:32.037Z", "level": "error", "code": "run.ended", "command": "error", "exit_code": 2}
