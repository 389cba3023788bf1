//! The devices of the simulated fleet: who has which machine, and how well it stays in touch.

use super::draw::{Draw, uuid_text};
use super::people::{Person, Persona, SITES};

/// The operating system's family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Windows 10 or 11.
    Windows,
    /// Debian or Ubuntu.
    Linux,
}

/// How a device delivers what it records. The fleet only says so; whoever runs the agents makes it happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Always connected.
    Steady,
    /// Holds the last `held_hours` of its history back and delivers them late.
    Late {
        /// Hours of history that arrive after everything else.
        held_hours: u32,
    },
    /// Recorded and sent nothing in the last `days` of its history, and is silent now.
    Silent {
        /// Days without a sign of life.
        days: u32,
    },
    /// Its spool is too small for what it records while it is offline, so that it loses some and says so.
    Lossy,
}

/// One machine with an agent.
#[derive(Clone, Debug)]
pub struct FleetDevice {
    /// Position in the fleet.
    pub index: usize,
    /// Host name as the system writes it.
    pub name: String,
    /// The management system's id (a UUID in text).
    pub device_id: String,
    /// Its family.
    pub platform: Platform,
    /// For example `10.0.26100.6584` or `Ubuntu 24.04.3 LTS`.
    pub os_version: String,
    /// `entra_joined`, `entra_hybrid_joined` or `none`.
    pub join_type: &'static str,
    /// How it delivers.
    pub presence: Presence,
    /// Position of the owner among the fleet's people.
    pub owner: usize,
    /// Minutes that its clock is ahead of UTC.
    pub utc_offset_minutes: i64,
    pub(super) is_server: bool,
}

const WINDOWS_BUILDS: [&str; 4] = [
    "10.0.26100.6584",
    "10.0.22631.5909",
    "10.0.19045.6332",
    "10.0.26100.4946",
];
const LINUX_RELEASES: [&str; 3] = [
    "Ubuntu 24.04.3 LTS",
    "Debian GNU/Linux 12 (bookworm)",
    "Ubuntu 22.04.5 LTS",
];

/// How many people share `devices` machines: about one in twelve has two.
pub(super) fn people_for(devices: usize) -> usize {
    (devices - devices / 12).max(1)
}

/// `count` devices for `people`, the same for the same seed.
pub(super) fn devices(seed: u64, count: usize, people: &[Person]) -> Vec<FleetDevice> {
    (0..count)
        .map(|index| device(seed, index, people))
        .collect()
}

fn device(seed: u64, index: usize, people: &[Person]) -> FleetDevice {
    let mut draw = Draw::new(&[b"device", &seed.to_le_bytes(), &index.to_le_bytes()]);
    let owner = if index < people.len() {
        index
    } else {
        (index * 7 + 3) % people.len()
    };
    let person = &people[owner];
    let linux_share = match person.persona {
        Persona::Developer => 0.3,
        Persona::Admin => 0.5,
        Persona::Engineer => 0.2,
        _ => 0.0,
    };
    let platform = if draw.chance(linux_share) {
        Platform::Linux
    } else {
        Platform::Windows
    };
    let is_server = platform == Platform::Linux && person.persona == Persona::Admin;
    let site = SITES[person.site];
    // 37 and 89 989 have no common factor, so that no two of as many devices share a number.
    let number = 10_000 + (index * 37 + (seed % 89_989) as usize) % 89_989;
    let name = match (platform, is_server, person.persona) {
        (Platform::Linux, true, _) => {
            let role = draw.pick(&["web", "db", "ci", "mail", "build"]);
            format!("{}-srv-{role}{number}", site.code.to_lowercase())
        }
        (Platform::Linux, false, _) => format!("{}-dev-{number}", site.code.to_lowercase()),
        (Platform::Windows, _, Persona::Engineer | Persona::Designer) => {
            format!("{}-WS-{number}", site.code)
        }
        (Platform::Windows, _, _) => format!("{}-LT-{number}", site.code),
    };
    let (os_version, join_type) = match platform {
        Platform::Windows => {
            let join = if draw.chance(0.7) {
                "entra_joined"
            } else {
                "entra_hybrid_joined"
            };
            (draw.pick(&WINDOWS_BUILDS), join)
        }
        Platform::Linux => (draw.pick(&LINUX_RELEASES), "none"),
    };
    FleetDevice {
        index,
        name,
        device_id: uuid_text(&[b"device-id", &seed.to_le_bytes(), &index.to_le_bytes()]),
        platform,
        os_version: os_version.to_owned(),
        join_type,
        presence: presence(index, &mut draw),
        owner,
        utc_offset_minutes: site.utc_offset_minutes,
        is_server,
    }
}

// By position, so that even a fleet of ten shows one of each and a larger one keeps the shares.
fn presence(index: usize, draw: &mut Draw) -> Presence {
    match index % 20 {
        4 => Presence::Late {
            held_hours: 5 + draw.below(68) as u32,
        },
        7 => Presence::Silent {
            days: 2 + draw.below(9) as u32,
        },
        9 if index < 20 => Presence::Lossy,
        13 => Presence::Late {
            held_hours: 2 + draw.below(10) as u32,
        },
        _ => Presence::Steady,
    }
}
