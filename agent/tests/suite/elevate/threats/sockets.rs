//! Tricks at the socket: wrong messages, wrong descriptors, false names, crowds, and leaving at the wrong moment.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use epm_agent::broker::limits::MAX_ASKING_PER_USER;
use epm_proto::v1;

use super::super::people::User;
use super::super::world::{World, rule, text};
use super::{can_speak, client, is_refused, is_root, speaks};

/// A device on which everybody may run `id` as root.
fn world() -> Option<World> {
    can_speak()?;
    World::with(None, |world| {
        let tool = world.install("tool", Path::new("/usr/bin/id"));
        vec![rule("tool", "automatic", &tool)]
    })
}

fn tool(world: &World) -> String {
    world.path("bin/tool").to_string_lossy().into_owned()
}

#[test]
fn wrong_messages_end_their_connection_and_nothing_else() {
    let Some(world) = world() else { return };
    let anna = User::new("");
    let good = format!("ask(['{}'])", tool(&world));
    let script = format!(
        "
good = {good}
wrong = [
    b'', b'\\0', bytes(100), b'\\xff' * 1000,
    good[:-1], good + b'\\0', bytes([1, 2]) + good[2:],
    ask(['']), ask(['a\\0b']), answer(b'yes'), signal(9),
    bytes([1, 1]) + struct.pack('<I', 0xffffffff),
]
for message in wrong:
    c = connect()
    send(c, message, given())
    said = everything(c)
    assert b'broker ended the connection' in said, (message, said)
# A length beyond every message, and one that never comes.
c = connect()
c.sendall(struct.pack('<I', 0x7fffffff))
assert b'more than' in everything(c)
c = connect()
c.sendall(struct.pack('<I', 1000) + b'x')
assert b'in time' in everything(c)
print('told')
"
    );
    assert_eq!(speaks(&world, &anna, &script), "told");
    assert!(world.recorded().is_empty());
    assert!(is_root(&world.ran(&anna, &[&tool(&world), "-u"])));
}

#[test]
fn too_few_too_many_and_false_descriptors_are_refused() {
    let Some(world) = world() else { return };
    let anna = User::new("");
    let script = format!(
        "
good, terminal = ask(['{0}']), ask(['{0}'], terminal=1)
of = given()
file = os.open('/etc/passwd', os.O_RDONLY)
wrong = [(good, of[:3]), (good, of + of[:1]), (good, []), (good, of * 4), (terminal, of), (terminal, of + [file])]
for message, descriptors in wrong:
    c = connect()
    send(c, message, descriptors)
    said = everything(c)
    assert b'descriptors' in said or not said, (descriptors, said)
# A working folder that is none.
c = connect()
send(c, good, of[:3] + [file])
said = everything(c)
assert b'uid=' not in said, said
print('told')
",
        tool(&world)
    );
    assert_eq!(speaks(&world, &anna, &script), "told");
    assert!(is_root(&world.ran(&anna, &[&tool(&world), "-u"])));
}

#[test]
fn whoever_leaves_at_once_is_never_taken_for_another() {
    let Some(world) = world() else { return };
    let anna = User::new("");
    // As in CVE-2021-3560: the process that asked is gone while it is looked at.
    let script = format!(
        "
message = ask(['{}', '-u'])
for number in range(200):
    child = os.fork()
    if child == 0:
        c = connect()
        send(c, message, given())
        os._exit(0)
    os.waitpid(child, 0)
print('left')
",
        tool(&world)
    );
    assert_eq!(
        text(
            &client(&world, &anna, &script)
                .output()
                .expect("it runs")
                .stdout
        )
        .lines()
        .last(),
        Some("left")
    );
    assert!(is_root(&world.ran(&anna, &[&tool(&world), "-u"])));
    for recorded in world.recorded() {
        assert_eq!(recorded.user().user_id, anna.uid.to_string());
        assert_eq!(recorded.start.management(), v1::Management::Managed);
    }
}

#[test]
fn nobody_says_who_asks_but_the_kernel() {
    let Some(world) = world() else { return };
    let (anna, bert) = (User::new(""), User::new(""));
    // A connection that one user made and another one speaks through is the first one's, as the kernel wrote it down.
    let script = format!(
        "
c = connect()
variables = [b'USER=root', b'SUDO_UID=0', b'LOGNAME=root']
message = bytes([1, 1]) + many([b'{}', b'-u']) + many(variables) + many([]) + struct.pack('<Q', 0) + bytes([0, 0])
send(c, message, given())
everything(c)
print(os.getuid())
",
        tool(&world)
    );
    let said = speaks(&world, &anna, &script);
    assert_eq!(said, format!("0\n{}", anna.uid));
    assert!(is_root(&world.ran(&bert, &[&tool(&world), "-u"])));
    let recorded = world.last_of(2);
    assert_eq!(recorded.user().user_id, bert.uid.to_string());
    assert_eq!(world.recorded()[0].user().user_id, anna.uid.to_string());
    assert_eq!(world.recorded()[0].user().user_name_raw, anna.name);
}

#[test]
fn elevate_tells_nothing_to_a_socket_that_is_not_roots() {
    let Some(world) = world() else { return };
    let (anna, evil) = (User::new(""), User::new(""));
    let socket = world.open_folder().join("false.sock");
    let script = format!(
        "
s = socket.socket(socket.AF_UNIX)
s.bind('{0}')
os.chmod('{0}', 0o777)
s.listen()
print('ready', flush=True)
c, _ = s.accept()
print('heard', everything(c))
",
        socket.display()
    );
    let mut listening = client(&world, &evil, &script)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut said = BufReader::new(listening.stdout.take().expect("piped")).lines();
    assert_eq!(said.next().expect("a line").expect("text"), "ready");
    let mut command = world.elevate(&anna, &["--reason", "secret", &tool(&world)]);
    let output = command
        .env("EPM_SOCKET", &socket)
        .output()
        .expect("it runs");
    assert!(is_refused(&output));
    assert!(text(&output.stderr).contains("is not root's"), "{output:?}");
    assert_eq!(said.next().expect("a line").expect("text"), "heard b''");
    listening.wait().expect("it ends");
}

#[test]
fn a_user_that_takes_every_seat_takes_none_of_another() {
    let Some(world) = world() else { return };
    let (evil, anna) = (User::new(""), User::new(""));
    let script = format!(
        "
held = [connect() for number in range({0})]
# Each holds a seat until the broker has waited long enough; more are turned away at once.
c = connect()
print(everything(c), flush=True)
sys.stdin.read()
",
        MAX_ASKING_PER_USER
    );
    let mut crowd = client(&world, &evil, &script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut said = BufReader::new(crowd.stdout.take().expect("piped")).lines();
    let turned_away = said.next().expect("a line").expect("text");
    assert!(turned_away.contains("too many elevations"), "{turned_away}");
    assert!(is_root(&world.ran(&anna, &[&tool(&world), "-u"])));
    drop(crowd.stdin.take());
    crowd.wait().expect("it ends");
}

#[test]
fn memory_that_one_user_has_held_for_it_is_bounded() {
    let Some(world) = World::with(None, |_| Vec::new()) else {
        return;
    };
    let anna = User::new("");
    // A file that no rule knows is never copied, however large: only its digest is made.
    let large = world.open_folder().join("large");
    let file = std::fs::File::create(&large).expect("a file");
    file.set_len(64 << 20).expect("it has holes");
    drop(file);
    std::fs::set_permissions(&large, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("it is ours");
    std::os::unix::fs::chown(&large, Some(anna.uid), None).expect("it is ours");
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", world.agent_pid()));
        let status = status.expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        number.expect("the kernel says")
    };
    assert!(is_refused(&world.ran(&anna, &[&large.to_string_lossy()])));
    assert!(resident() < 64 << 10, "{} KiB", resident());
}

#[test]
fn only_some_signals_are_passed_on_and_only_to_the_program() {
    let Some(world) = world() else { return };
    let anna = User::new("");
    let sh = world.install("tool", Path::new("/usr/bin/id"));
    drop(sh);
    let script = format!(
        "
c = connect()
message = ask(['{}', '-u'])
send(c, message, given())
# STOP and KILL are for nobody to send; the connection ends instead.
for number in (9, 19, 0, 65, 1 << 40):
    d = connect()
    send(d, signal(number), given())
    assert b'ended the connection' in everything(d), number
everything(c)
",
        tool(&world)
    );
    assert_eq!(speaks(&world, &anna, &script), "0");
}
