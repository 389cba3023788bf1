//! The unit of systemd: each setting with its reason. It must not hold what an administrator chooses; that is in the file of
//! options.

const SERVICE: &str = "\
[Unit]
Description=Endpoint privilege management agent
Documentation=man:sudoers(5)
# sudo's log server has an address; the collector may be reached later, records wait.
After=network.target

[Service]
Type=exec
ExecStart=/usr/local/sbin/epm-agent run
# What an administrator chooses: EPM_COLLECTOR, EPM_FOLLOW_LOG, EPM_POLICY, ...
EnvironmentFile=-/etc/epm-agent/agent.env
# A device that records nothing is worse than one that tries again.
Restart=always
RestartSec=2
# The spool holds who ran what.
StateDirectory=epm-agent
StateDirectoryMode=0700
# Every user reaches the broker's socket in it.
RuntimeDirectory=epm-agent
RuntimeDirectoryMode=0755
";

/// Without a broker the agent starts nothing but sudo, for its self-test, so it can be shut in.
const SHUT_IN: &str = "\
# It writes its state and its socket, and nothing else of the system.
ProtectSystem=strict
# Followed logs may lie in homes; none is written.
ProtectHome=read-only
# Nobody puts files before it.
PrivateTmp=yes
# No device is read or written but the pseudo devices.
PrivateDevices=yes
# It sets neither clock nor host name, loads no module, changes no kernel setting or control group.
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
# It makes no program that gives rights to whoever runs it, and what it writes is nobody else's.
RestrictSUIDSGID=yes
UMask=0077
# The kernel tells who is at the other end of a connection (netlink), the collector is reached by IP.
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
# No part of it writes code.
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
# Reading other users' logs, and what sudo needs for the self-test.
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_SETUID CAP_SETGID CAP_AUDIT_WRITE CAP_SYS_RESOURCE CAP_CHOWN CAP_FOWNER
";

/// Programs that the broker elevates inherit mounts, capabilities, filters and limits, and are to behave as with sudo.
const WITH_BROKER: &str = "\
# Elevated programs inherit what the service has: they are to write the system, see the caller's /tmp and devices, and use
# every capability. So ProtectSystem, PrivateTmp, PrivateDevices, CapabilityBoundingSet, NoNewPrivileges and filters of
# system calls are left out on purpose.
# A program that somebody started goes on when the agent is restarted; who stands over it writes down its end.
KillMode=process
# A crash of the agent writes no memory to disk; elevated programs have their caller's limit.
LimitCORE=0
# The agent's keys are not those of whoever started the service.
KeyringMode=private
";

const INSTALL: &str = "
[Install]
WantedBy=multi-user.target
";

/// The unit.
#[must_use]
pub fn unit(has_broker: bool) -> String {
    let settings = if has_broker { WITH_BROKER } else { SHUT_IN };
    [SERVICE, settings, INSTALL].concat()
}
