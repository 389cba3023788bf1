//! Rules and launches by chance, in words that every contender understands: what ours, Cedar and Rego are made of. Nothing
//! here knows how one of them writes a rule.
//!
//! Of twenty rules eight know a file by its hash, six by publisher, name and a folder with all below it, three by
//! publisher and a pattern of names, two by publisher and name, in office hours and on some devices, and one denies what
//! the one before it lets through, on some devices. A hundred rules are one policy; three of ten policies are for a group
//! of users. Texts are in lower case, so that a rival need not fold them.

/// Rules of one policy.
pub(crate) const RULES_OF_A_POLICY: usize = 100;
const GROUPS: usize = 10;
const USERS: usize = 50;
const DEVICES: usize = 20;
/// Launches of a hundred that were drawn from a rule, and nearly always match it.
const HITS_PERCENT: usize = 90;

/// Where a file must lie.
#[derive(Clone, Debug)]
pub(crate) enum Folder {
    Any,
    Exactly(String),
    Below(String),
}

/// A rule. What is absent does not matter.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) denies: bool,
    /// What a name begins with.
    pub(crate) name: String,
    /// What it ends with, after anything; absent where `name` is all of it.
    pub(crate) name_end: Option<String>,
    pub(crate) folder: Folder,
    pub(crate) hash: Option<[u8; 32]>,
    pub(crate) publisher: Option<String>,
    pub(crate) user_group: Option<String>,
    pub(crate) device_group: Option<String>,
    /// From and before which minute of the day.
    pub(crate) minutes: Option<(u16, u16)>,
}

/// A launch by a user on a device, both known by their number.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) folder: String,
    pub(crate) name: String,
    pub(crate) hash: [u8; 32],
    pub(crate) publisher: String,
    pub(crate) user: usize,
    pub(crate) device: usize,
    pub(crate) minute: u16,
}

/// Everything that a contender is made of.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rules: Vec<Rule>,
    pub(crate) launches: Vec<Launch>,
    /// Groups of each user.
    pub(crate) users: Vec<Vec<String>>,
    /// Groups of each device.
    pub(crate) devices: Vec<Vec<String>>,
}

/// SplitMix64: the same seed gives the same world.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 33) as usize % end
    }

    fn hash(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| self.below(256) as u8)
    }
}

impl World {
    /// So many rules, and so many launches that are about them.
    pub(crate) fn draw(rules: usize, launches: usize) -> Self {
        let dice = &mut Dice(rules as u64);
        let group = |kind: &str, number: usize| format!("{kind}{number}");
        let mut member = |kind: &str| (0..3).map(|_| group(kind, dice.below(GROUPS))).collect();
        let users: Vec<Vec<String>> = (0..USERS).map(|_| member("users")).collect();
        let devices: Vec<Vec<String>> = (0..DEVICES).map(|_| member("devices")).collect();
        let mut drawn: Vec<Rule> = Vec::with_capacity(rules);
        for number in 0..rules {
            let rule = rule(dice, number, drawn.last());
            drawn.push(rule);
        }
        let launches = (0..launches).map(|_| launch(dice, &drawn, &users, &devices));
        Self {
            launches: launches.collect(),
            rules: drawn,
            users,
            devices,
        }
    }
}

fn rule(dice: &mut Dice, number: usize, before: Option<&Rule>) -> Rule {
    let policy = number / RULES_OF_A_POLICY;
    let vendor = number / 10;
    let mut rule = Rule {
        denies: false,
        name: format!("app{number}.exe"),
        name_end: None,
        folder: Folder::Any,
        hash: None,
        publisher: Some(format!("cn=vendor {vendor}")),
        user_group: (policy % 10 < 3).then(|| format!("users{}", policy % GROUPS)),
        device_group: None,
        minutes: None,
    };
    match number % 20 {
        0..8 => {
            rule.hash = Some(dice.hash());
            rule.publisher = None;
            if number.is_multiple_of(2) {
                rule.folder = Folder::Exactly(format!("c:\\tools\\vendor{vendor}\\"));
            }
        }
        8..14 => rule.folder = Folder::Below(format!("c:\\program files\\vendor{vendor}\\")),
        14..17 => {
            rule.name = format!("setup{number}-");
            rule.name_end = Some(".exe".to_owned());
        }
        17..19 => {
            rule.minutes = Some((480, 1080));
            rule.device_group = Some(format!("devices{}", dice.below(GROUPS)));
        }
        _ => {
            if let Some(before) = before {
                rule = before.clone();
            }
            rule.denies = true;
            rule.minutes = None;
            rule.device_group = Some(format!("devices{}", dice.below(GROUPS)));
        }
    }
    rule
}

fn launch(
    dice: &mut Dice,
    rules: &[Rule],
    users: &[Vec<String>],
    devices: &[Vec<String>],
) -> Launch {
    let hit = dice.below(100) < HITS_PERCENT;
    let rule = &rules[dice.below(rules.len())];
    let number = dice.below(1_000_000);
    let mut launch = Launch {
        folder: format!("c:\\users\\user{number}\\downloads\\"),
        name: format!("thing{number}.exe"),
        hash: dice.hash(),
        publisher: format!("cn=somebody {number}"),
        user: dice.below(users.len()),
        device: dice.below(devices.len()),
        minute: dice.below(1440) as u16,
    };
    if !hit {
        return launch;
    }
    launch.name = match &rule.name_end {
        Some(end) => format!("{}{number}{end}", rule.name),
        None => rule.name.clone(),
    };
    match &rule.folder {
        Folder::Any => {}
        Folder::Exactly(folder) => launch.folder.clone_from(folder),
        Folder::Below(folder) => launch.folder = format!("{folder}bin\\"),
    }
    launch.hash = rule.hash.unwrap_or(launch.hash);
    launch.publisher = rule.publisher.clone().unwrap_or(launch.publisher);
    launch.minute = rule
        .minutes
        .map_or(launch.minute, |(from, _)| from + launch.minute / 3);
    let with = |all: &[Vec<String>], group: &Option<String>, drawn: usize| {
        let Some(group) = group else { return drawn };
        let held = (0..all.len()).map(|step| (drawn + step) % all.len());
        held.into_iter()
            .find(|at| all[*at].contains(group))
            .unwrap_or(drawn)
    };
    launch.user = with(users, &rule.user_group, launch.user);
    launch.device = with(devices, &rule.device_group, launch.device);
    launch
}

/// Hexadecimal digits of a hash.
pub(crate) fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
