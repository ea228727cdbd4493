"""The wire: lines in and out, typed requests and replies, OpenRPC. No I/O, no tasks."""
