
# --- time: the uptime clock, which no clock change moves
now() { IFS=' .' read -r up rest < /proc/uptime; : "$rest"; }
boot_id() { read -r boot_now < /proc/sys/kernel/random/boot_id; }
alive() { now; boot_id; [ "$boot" = "$boot_now" ] && [ "$up" -lt "$deadline" ]; }
note() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >> events 2>/dev/null || :; }
