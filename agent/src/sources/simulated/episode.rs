//! What happens in time on one device: days of work, and the start, children and end of each thing that runs.

use epm_proto::ids::SourceKey;
use epm_proto::v1;

use super::Fleet;
use super::catalogue::{Kind, Program};
use super::decision::{Decision, Question, decide};
use super::devices::{FleetDevice, Platform};
use super::draw::Draw;
use super::elevation::{Scene, by_person, by_system};
use super::people::{Person, Persona};
use crate::source::Observation;

pub(super) const DAY_US: i64 = 86_400_000_000;
const SECOND_US: i64 = 1_000_000;

// Background elevations that a device records on any day that it is switched on.
const NOISE_PER_DAY: f64 = 1.6;
// Share of a working day's elevations that happens on a day of the weekend.
const WEEKEND_SHARE: f64 = 0.05;
const WEEKEND_SHARE_ON_CALL: f64 = 0.25;
// One week in sixteen somebody is away and the device stays off.
const AWAY: f64 = 0.06;

/// Everything that `device` records on one day of its own calendar, in order of time.
pub(super) fn day(fleet: &Fleet, device: &FleetDevice, local_day: i64) -> Vec<Observation> {
    let person = fleet.owner(device);
    let seed = fleet.seed().to_le_bytes();
    let index = device.index.to_le_bytes();
    let mut week = Draw::new(&[
        b"week",
        &seed,
        &index,
        &(local_day + 3).div_euclid(7).to_le_bytes(),
    ]);
    let mut draw = Draw::new(&[b"day", &seed, &index, &local_day.to_le_bytes()]);
    if !device.is_server && week.chance(AWAY) {
        return Vec::new();
    }
    let midnight_us = local_day * DAY_US - device.utc_offset_minutes * 60 * SECOND_US;
    let mut seen = Vec::new();
    for _ in
        0..draw.count(person.persona.daily_elevations() * share_of_day(person.persona, local_day))
    {
        let start_us =
            midnight_us + second_of_work(&mut draw) * SECOND_US + draw.below(1_000_000) as i64;
        episode(
            fleet,
            device,
            start_us,
            midnight_us + DAY_US,
            &mut draw,
            &mut seen,
        );
    }
    if device.is_server || !is_weekend(local_day) {
        for _ in 0..draw.count(NOISE_PER_DAY) {
            let start_us = midnight_us + draw.below(DAY_US as u64) as i64;
            noise(fleet, device, start_us, &mut draw, &mut seen);
        }
    }
    seen.sort_by_key(|observation| observation.observed_at_us);
    seen
}

/// One thing that the device's owner does: the start, what it starts in turn, and its end before `limit_us`.
pub(super) fn episode(
    fleet: &Fleet,
    device: &FleetDevice,
    start_us: i64,
    limit_us: i64,
    draw: &mut Draw,
    seen: &mut Vec<Observation>,
) {
    let person = fleet.owner(device);
    let Some(program) = choose(fleet, device, person, draw) else {
        return;
    };
    let local_day = local_day(device, start_us);
    let day = fleet.programme_day(device, start_us);
    let build = program.build(&person.login, local_day, lag_days(device));
    let question = Question {
        seed: fleet.seed(),
        device,
        person,
        program,
        day,
        rules_in_force: fleet.rules_in_force(person.persona, day),
    };
    let decision = decide(&question, draw);
    let parent_path = parent_of(device.platform, program.kind, draw);
    let scene = Scene {
        device,
        person,
        program,
        build: &build,
        day,
        parent_path,
        is_child: false,
    };
    let elevation = by_person(&scene, decision.clone(), draw);
    if decision.outcome != v1::Outcome::Elevated {
        seen.push(observation(start_us, None, elevation));
        return;
    }
    let end_us = start_us + duration_us(program.kind, draw);
    let leaves_exit = end_us < limit_us && draw.chance(exit_share(&decision));
    let key = leaves_exit.then(|| start_key(fleet, device, start_us, &elevation));
    let started = observation(start_us, key, elevation);
    if let Some(start_key) = key {
        let end = exit(program.kind, start_key, start_us, end_us, draw);
        seen.push(Observation {
            observed_at_us: end_us,
            source_key: None,
            class: started.class,
            body: v1::record::Body::ElevationExit(end),
        });
    }
    seen.push(started);
    let has_children = matches!(program.kind, Kind::Shell | Kind::Script | Kind::Installer);
    if device.platform == Platform::Windows && has_children && draw.chance(0.35) {
        children(
            fleet,
            &scene,
            &decision,
            start_us,
            end_us.min(limit_us),
            draw,
            seen,
        );
    }
}

/// One thing that the system does by itself.
pub(super) fn noise(
    fleet: &Fleet,
    device: &FleetDevice,
    start_us: i64,
    draw: &mut Draw,
    seen: &mut Vec<Observation>,
) {
    let person = fleet.owner(device);
    let programs: Vec<&Program> = fleet
        .programs()
        .iter()
        .filter(|program| program.kind == Kind::Noise && program.platform == device.platform)
        .collect();
    let weights: Vec<u32> = programs.iter().map(|program| program.weight).collect();
    let Some(program) = programs.get(draw.weighted(&weights)) else {
        return;
    };
    let build = program.build(&person.login, local_day(device, start_us), lag_days(device));
    let scene = Scene {
        device,
        person,
        program,
        build: &build,
        day: fleet.programme_day(device, start_us),
        parent_path: parent_of(device.platform, Kind::Noise, draw),
        is_child: false,
    };
    seen.push(observation(start_us, None, by_system(&scene, draw)));
}

fn children(
    fleet: &Fleet,
    parent: &Scene<'_>,
    decision: &Decision,
    start_us: i64,
    end_us: i64,
    draw: &mut Draw,
    seen: &mut Vec<Observation>,
) {
    for _ in 0..=draw.below(2) {
        let tools: Vec<&Program> = fleet
            .programs()
            .iter()
            .filter(|program| {
                program.platform == Platform::Windows
                    && matches!(program.kind, Kind::Tool | Kind::Shell)
                    && !program.is_user_writable()
            })
            .collect();
        let Some(program) = tools.get(draw.below(tools.len() as u64) as usize) else {
            return;
        };
        let at_us =
            start_us + 40_000 + draw.below((end_us - start_us - 40_000).max(1) as u64) as i64;
        let build = program.build(
            &parent.person.login,
            local_day(parent.device, at_us),
            lag_days(parent.device),
        );
        let scene = Scene {
            device: parent.device,
            person: parent.person,
            program,
            build: &build,
            day: parent.day,
            parent_path: &parent.build.path,
            is_child: true,
        };
        let inherited = Decision {
            justification: "",
            ..decision.clone()
        };
        seen.push(observation(at_us, None, by_person(&scene, inherited, draw)));
    }
}

// What one person reaches for, coloured by a taste of their own.
fn choose<'a>(
    fleet: &'a Fleet,
    device: &FleetDevice,
    person: &Person,
    draw: &mut Draw,
) -> Option<&'a Program> {
    let programs: Vec<&Program> = fleet
        .programs()
        .iter()
        .filter(|program| {
            program.kind != Kind::Noise && program.is_for(device.platform, person.persona)
        })
        .collect();
    let taste = person.login.bytes().map(usize::from).sum::<usize>();
    let weights: Vec<u32> = programs
        .iter()
        .enumerate()
        .map(|(position, program)| program.weight * (1 + ((taste + position * 7) % 5) as u32))
        .collect();
    programs.get(draw.weighted(&weights)).copied()
}

fn observation(
    observed_at_us: i64,
    source_key: Option<SourceKey>,
    elevation: v1::Elevation,
) -> Observation {
    let class = match (
        elevation.management(),
        elevation.outcome(),
        elevation.elevation_type(),
    ) {
        (_, v1::Outcome::Denied, _) | (_, _, v1::ElevationType::SupportApproved) => {
            v1::RecordClass::Decision
        }
        (v1::Management::Managed, _, v1::ElevationType::Automatic) => {
            v1::RecordClass::ManagedAutomatic
        }
        (v1::Management::Managed, _, _) => v1::RecordClass::ManagedConfirmed,
        _ => v1::RecordClass::Unmanaged,
    };
    Observation {
        observed_at_us,
        source_key,
        class,
        body: v1::record::Body::Elevation(elevation),
    }
}

fn start_key(
    fleet: &Fleet,
    device: &FleetDevice,
    start_us: i64,
    elevation: &v1::Elevation,
) -> SourceKey {
    let pid = elevation.process.as_ref().map_or(0, |process| process.pid);
    SourceKey::derive(&[
        b"simulated",
        &fleet.seed().to_le_bytes(),
        device.device_id.as_bytes(),
        &start_us.to_le_bytes(),
        &pid.to_le_bytes(),
    ])
}

// Our broker waits for what it started; sudo says so where log_exit_status is on; the OS tells nobody.
fn exit_share(decision: &Decision) -> f64 {
    match (decision.management, decision.run_as) {
        (v1::Management::Managed, _) => 0.75,
        (_, v1::RunAs::Root) => 0.5,
        _ => 0.0,
    }
}

fn exit(
    kind: Kind,
    start_key: SourceKey,
    start_us: i64,
    end_us: i64,
    draw: &mut Draw,
) -> v1::ElevationExit {
    let (result_code, signal) = match (kind, draw.below(100)) {
        // Windows Installer: restart needed, cancelled, fatal.
        (Kind::Installer | Kind::Driver, 0..=5) => (3_010, ""),
        (Kind::Installer | Kind::Driver, 6..=7) => (1_602, ""),
        (Kind::Installer | Kind::Driver, 8..=10) => (1_603, ""),
        (Kind::Shell | Kind::Script | Kind::Tool, 0..=4) => (1, ""),
        (_, 97) => (137, "KILL"),
        (_, 98..=99) => (2, ""),
        _ => (0, ""),
    };
    v1::ElevationExit {
        start_key: start_key.0.to_vec(),
        start_observed_at_us: start_us,
        result_code: Some(result_code),
        duration_ms: Some(((end_us - start_us) / 1_000) as u64),
        signal: signal.to_owned(),
    }
}

fn duration_us(kind: Kind, draw: &mut Draw) -> i64 {
    let (shortest_s, longest_s) = match kind {
        Kind::App | Kind::Remote => (90, 9_000),
        Kind::Installer | Kind::Driver => (14, 260),
        Kind::Updater => (3, 80),
        Kind::Shell => (8, 2_400),
        Kind::Script | Kind::Tool | Kind::Noise => (1, 90),
    };
    shortest_s * SECOND_US + draw.below(((longest_s - shortest_s) * SECOND_US) as u64) as i64
}

fn parent_of(platform: Platform, kind: Kind, draw: &mut Draw) -> &'static str {
    match (platform, kind) {
        (Platform::Linux, Kind::Noise) => "/usr/lib/systemd/systemd",
        (Platform::Linux, _) => draw.pick(&[
            "/usr/bin/bash",
            "/usr/bin/zsh",
            "/usr/bin/bash",
            "/usr/bin/tmux",
        ]),
        (Platform::Windows, Kind::Noise | Kind::Updater) => draw.pick(&[
            r"C:\Windows\System32\services.exe",
            r"C:\Windows\System32\svchost.exe",
        ]),
        (Platform::Windows, Kind::Tool | Kind::Script) => draw.pick(&[
            r"C:\Windows\explorer.exe",
            r"C:\Windows\System32\cmd.exe",
            r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
        ]),
        (Platform::Windows, _) => r"C:\Windows\explorer.exe",
    }
}

fn local_day(device: &FleetDevice, at_us: i64) -> i64 {
    (at_us + device.utc_offset_minutes * 60 * SECOND_US).div_euclid(DAY_US)
}

// Updates reach devices up to six days after their release.
fn lag_days(device: &FleetDevice) -> i64 {
    (device.index as i64 * 5) % 7
}

// 1970-01-01 was a Thursday.
fn is_weekend(local_day: i64) -> bool {
    (local_day + 3).rem_euclid(7) >= 5
}

fn share_of_day(persona: Persona, local_day: i64) -> f64 {
    match (is_weekend(local_day), persona) {
        (false, _) => 1.0,
        (true, Persona::Admin | Persona::Support) => WEEKEND_SHARE_ON_CALL,
        (true, _) => WEEKEND_SHARE,
    }
}

fn second_of_work(draw: &mut Draw) -> i64 {
    // Weight of each hour of the day: two humps around lunch, a few who work late.
    const HOURS: [u32; 24] = [
        1, 0, 0, 0, 0, 1, 3, 12, 40, 78, 84, 70, 38, 52, 80, 76, 58, 34, 14, 8, 6, 5, 3, 2,
    ];
    draw.weighted(&HOURS) as i64 * 3_600 + draw.below(3_600) as i64
}
