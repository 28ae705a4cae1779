//! What only this engine can show: recovery, full disks, the file itself.
