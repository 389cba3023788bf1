//! The people of the simulated fleet: names, departments, what they do, and when they lose administrator rights.
//!
//! Every name is made up from lists; nobody here exists.

use super::draw::{Draw, digest};

/// What somebody does all day, which decides what they elevate and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Persona {
    /// Writes software.
    Developer,
    /// Makes pictures and pages.
    Designer,
    /// Keeps the books.
    Finance,
    /// Helps the others with their machines.
    Support,
    /// Sells.
    Sales,
    /// Builds things and the machines that build them.
    Engineer,
    /// Runs the servers.
    Admin,
}

/// Everybody, in the order in which the programme reaches them.
pub const PERSONAS: [Persona; 7] = [
    Persona::Developer,
    Persona::Engineer,
    Persona::Support,
    Persona::Designer,
    Persona::Finance,
    Persona::Sales,
    Persona::Admin,
];

// Share of each persona among a hundred people, in the order of `PERSONAS`.
const SHARES: [u32; 7] = [30, 15, 9, 9, 14, 16, 7];

impl Persona {
    /// The department's name as the directory writes it.
    pub fn department(self) -> &'static str {
        match self {
            Self::Developer => "Software Engineering",
            Self::Designer => "Design",
            Self::Finance => "Finance",
            Self::Support => "IT Support",
            Self::Sales => "Sales",
            Self::Engineer => "Product Engineering",
            Self::Admin => "IT Operations",
        }
    }

    /// The letter that stands for the persona in the catalogue.
    pub(super) fn letter(self) -> char {
        match self {
            Self::Developer => 'D',
            Self::Designer => 'G',
            Self::Finance => 'F',
            Self::Support => 'S',
            Self::Sales => 'L',
            Self::Engineer => 'E',
            Self::Admin => 'A',
        }
    }

    /// Elevations that a person asks for on a working day, on average.
    pub(super) fn daily_elevations(self) -> f64 {
        match self {
            Self::Developer => 8.0,
            Self::Designer => 2.6,
            Self::Finance => 2.0,
            Self::Support => 6.5,
            Self::Sales => 1.6,
            Self::Engineer => 6.0,
            Self::Admin => 11.0,
        }
    }

    /// Days by which rules reach this department after the first.
    pub(super) fn wave_days(self) -> i64 {
        match self {
            Self::Developer => 0,
            Self::Engineer => 2,
            Self::Support => 1,
            Self::Designer => 4,
            Self::Finance => 3,
            Self::Sales => 5,
            Self::Admin => 6,
        }
    }
}

/// Somebody with a login.
#[derive(Clone, Debug)]
pub struct Person {
    /// Given and family name.
    pub name: String,
    /// Account name, `given.family`.
    pub login: String,
    /// User principal name.
    pub upn: String,
    /// Security identifier on Windows.
    pub sid: String,
    /// Numeric user id on Linux.
    pub uid: u32,
    /// What they do.
    pub persona: Persona,
    /// Day of the programme from which they are a standard user; `None` keeps them a local administrator.
    pub standard_from_day: Option<i64>,
    /// Position in [`SITES`].
    pub(super) site: usize,
}

/// A place with devices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    pub(super) code: &'static str,
    /// Standard time; the fleet knows no daylight saving, so that it needs no time zone data.
    pub(super) utc_offset_minutes: i64,
}

pub(super) const SITES: [Site; 6] = [
    Site {
        code: "LON",
        utc_offset_minutes: 0,
    },
    Site {
        code: "BER",
        utc_offset_minutes: 60,
    },
    Site {
        code: "NYC",
        utc_offset_minutes: -300,
    },
    Site {
        code: "AUS",
        utc_offset_minutes: -360,
    },
    Site {
        code: "BLR",
        utc_offset_minutes: 330,
    },
    Site {
        code: "SYD",
        utc_offset_minutes: 600,
    },
];
const SITE_SHARES: [u32; 6] = [34, 22, 18, 8, 12, 6];

/// DNS and NetBIOS names of the simulated organisation.
pub(super) const DOMAIN: &str = "northgate.example";
pub(super) const NETBIOS: &str = "NORTHGATE";

const GIVEN: [&str; 48] = [
    "Amelia", "Noah", "Priya", "Lukas", "Sofia", "Ethan", "Mei", "Oliver", "Fatima", "Jonas",
    "Chloe", "Rahul", "Grace", "Mateo", "Hannah", "Kofi", "Ingrid", "Daniel", "Yuki", "Lena",
    "Samuel", "Aisha", "Tomasz", "Isla", "Victor", "Nadia", "Henry", "Clara", "Arjun", "Zoe",
    "Felix", "Marta", "Owen", "Leila", "Hugo", "Ananya", "Jack", "Elif", "Adam", "Ruth", "Pavel",
    "Naomi", "Diego", "Freya", "Karim", "Julia", "Theo", "Wanjiru",
];
const FAMILY: [&str; 56] = [
    "Archer",
    "Bauer",
    "Chen",
    "Dawson",
    "Eriksen",
    "Fischer",
    "Gupta",
    "Hughes",
    "Iyer",
    "Jansen",
    "Keller",
    "Lopez",
    "Mensah",
    "Novak",
    "Okafor",
    "Patel",
    "Quinn",
    "Romero",
    "Schmidt",
    "Tanaka",
    "Underwood",
    "Vogel",
    "Walsh",
    "Xu",
    "Young",
    "Zimmer",
    "Abbott",
    "Brandt",
    "Costa",
    "Doyle",
    "Egger",
    "Farouk",
    "Green",
    "Hoffmann",
    "Ibrahim",
    "Joshi",
    "Kowalski",
    "Larsen",
    "Murphy",
    "Nair",
    "Osei",
    "Pereira",
    "Reid",
    "Singh",
    "Thompson",
    "Unger",
    "Vasquez",
    "Weber",
    "Yilmaz",
    "Zhang",
    "Barnes",
    "Carter",
    "Dietrich",
    "Evans",
    "Fraser",
    "Grant",
];

// Six in ten start as local administrators: what audit mode usually finds before a programme begins.
const ADMINS_AT_START: f64 = 0.6;
// Days after a department's wave within which its people lose the rights.
const ADMIN_REMOVAL_DAYS: u64 = 17;

/// `count` people, the same for the same seed; the first ones of a larger fleet are those of a smaller.
pub(super) fn people(seed: u64, count: usize) -> Vec<Person> {
    let domain = digest(&[b"domain", &seed.to_le_bytes()]);
    let part = |at: usize| {
        u32::from_le_bytes([domain[at], domain[at + 1], domain[at + 2], domain[at + 3]])
    };
    let domain_sid = format!("S-1-5-21-{}-{}-{}", part(0), part(4), part(8));
    (0..count)
        .map(|index| person(seed, index, &domain_sid))
        .collect()
}

fn person(seed: u64, index: usize, domain_sid: &str) -> Person {
    let mut draw = Draw::new(&[b"person", &seed.to_le_bytes(), &index.to_le_bytes()]);
    let persona = PERSONAS[draw.weighted(&SHARES)];
    // A walk through all pairs of names, so that no two of the first 2 688 people share one.
    let pair = (index * 997 + (seed % 2_688) as usize) % (GIVEN.len() * FAMILY.len());
    let (given, family) = (GIVEN[pair % GIVEN.len()], FAMILY[pair / GIVEN.len()]);
    let round = index / (GIVEN.len() * FAMILY.len());
    let suffix = if round == 0 {
        String::new()
    } else {
        (round + 1).to_string()
    };
    let login = format!("{}.{}{suffix}", given.to_lowercase(), family.to_lowercase());
    let keeps_rights = persona == Persona::Admin && draw.chance(0.5);
    let standard_from_day = if keeps_rights {
        None
    } else if draw.chance(ADMINS_AT_START) {
        Some(persona.wave_days() + 3 + draw.below(ADMIN_REMOVAL_DAYS) as i64)
    } else {
        Some(0)
    };
    Person {
        name: format!("{given} {family}"),
        upn: format!("{login}@{DOMAIN}"),
        login,
        sid: format!("{domain_sid}-{}", 1_104 + index * 3),
        uid: 10_000 + index as u32,
        persona,
        standard_from_day,
        site: draw.weighted(&SITE_SHARES),
    }
}
