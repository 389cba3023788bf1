//! Programs that run whatever they are told to, by name. A list like this is never complete: it holds what comes with
//! systems, and what administrators meet.

use crate::model::Platform;
use crate::pattern::{Pattern, Piece};
use crate::request::Variables;

/// What a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Power {
    Shell,
    ScriptHost,
    /// Loads or starts code that is handed to it.
    Loader,
    Browser,
}

impl Power {
    /// What it is, in a sentence.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Shell => "is a shell: whoever may elevate it may elevate everything",
            Self::ScriptHost => "runs any script that it is given",
            Self::Loader => "starts or loads any code that it is given",
            Self::Browser => "opens any page, download and add-on with the same rights",
        }
    }
}

const WINDOWS: [(Power, &[&str]); 4] = [
    (
        Power::Shell,
        &[
            "cmd.exe",
            "powershell.exe",
            "powershell_ise.exe",
            "pwsh.exe",
            "bash.exe",
            "wsl.exe",
            "wt.exe",
        ],
    ),
    (
        Power::ScriptHost,
        &[
            "wscript.exe",
            "cscript.exe",
            "mshta.exe",
            "python.exe",
            "pythonw.exe",
            "py.exe",
            "node.exe",
            "perl.exe",
            "ruby.exe",
            "php.exe",
            "java.exe",
            "javaw.exe",
            "autohotkey.exe",
            "autoit3.exe",
        ],
    ),
    (
        Power::Loader,
        &[
            "rundll32.exe",
            "regsvr32.exe",
            "msiexec.exe",
            "msbuild.exe",
            "installutil.exe",
            "regasm.exe",
            "regsvcs.exe",
            "wmic.exe",
            "mmc.exe",
            "schtasks.exe",
            "psexec.exe",
            "explorer.exe",
        ],
    ),
    (
        Power::Browser,
        &[
            "chrome.exe",
            "msedge.exe",
            "firefox.exe",
            "iexplore.exe",
            "brave.exe",
            "opera.exe",
        ],
    ),
];

const LINUX: [(Power, &[&str]); 4] = [
    (
        Power::Shell,
        &[
            "sh", "bash", "dash", "zsh", "ksh", "fish", "tcsh", "csh", "ash", "busybox", "pwsh",
            "su", "sudo",
        ],
    ),
    (
        Power::ScriptHost,
        &[
            "python", "python2", "python3", "perl", "ruby", "node", "php", "lua", "tclsh",
            "expect", "java", "awk", "gawk",
        ],
    ),
    (
        Power::Loader,
        &[
            "env",
            "xargs",
            "find",
            "nohup",
            "timeout",
            "nice",
            "setsid",
            "systemd-run",
            "ld.so",
            "vi",
            "vim",
            "nano",
            "emacs",
            "less",
            "more",
            "man",
            "git",
            "tar",
            "make",
            "gdb",
            "strace",
            "docker",
            "podman",
            "apt",
            "apt-get",
            "dpkg",
            "rpm",
            "pip",
            "npm",
            "ssh",
            "tmux",
            "screen",
            "script",
        ],
    ),
    (Power::Browser, &["firefox", "chromium", "google-chrome"]),
];

/// The first such program that a rule's file name fits, with what it is. A name that is little more than wildcards fits
/// them all, and is told as broad instead.
pub(crate) fn powerful(platform: Platform, file_name: &str) -> Option<(&'static str, Power)> {
    let pattern = Pattern::name(platform, file_name);
    let letters = |piece: &Piece| match piece {
        Piece::Literal(text) => text.trim_end_matches(".exe").chars().count(),
        _ => 0,
    };
    let said: usize = pattern.pieces().iter().map(letters).sum();
    if pattern.exact().is_none() && said < 2 {
        return None;
    }
    let list = match platform {
        Platform::Windows => &WINDOWS,
        Platform::Linux => &LINUX,
    };
    let all = list
        .iter()
        .flat_map(|(power, names)| names.iter().map(|name| (*name, *power)));
    let mut fitting = all.filter(|(name, _)| pattern.fits(name, Variables::NONE));
    fitting.next()
}
