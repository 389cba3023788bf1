//! Rego on regorus with the drawn rules: as data under the key that selects best, so that a launch looks at few of them. It
//! is what an author does who knows that Rego has no index for patterns; one Rego rule for each would be slower by far.
//! The program is compiled for regorus' virtual machine, and inputs are made ahead of time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Value};

use crate::drawn::{Folder, Launch, Rule, World, hex};

const ENTRY: &str = "data.epm.allow";

/// An empty text in a rule stands for "does not matter", and every input has it among its own.
const PROGRAM: &str = r#"
package epm
import rego.v1

default allow := false

allow if {
	permitted
	not denied
}

permitted if {
	some rule in data.permit.hash[input.hash]
	fits(rule)
}

permitted if {
	some rule in data.permit.name[input.name]
	fits(rule)
}

permitted if {
	some rule in data.permit.publisher[input.publisher]
	fits(rule)
}

denied if {
	some rule in data.forbid.hash[input.hash]
	fits(rule)
}

denied if {
	some rule in data.forbid.name[input.name]
	fits(rule)
}

denied if {
	some rule in data.forbid.publisher[input.publisher]
	fits(rule)
}

fits(rule) if {
	startswith(input.name, rule.name)
	endswith(input.name, rule.name_end)
	input.publishers[rule.publisher]
	input.user_groups[rule.user_group]
	input.device_groups[rule.device_group]
	input.folders[rule.folder]
	startswith(input.folder, rule.below)
	input.minute >= rule.from
	input.minute < rule.until
}
"#;

/// The rules as data, in JSON.
pub(crate) fn text(world: &World) -> anyhow::Result<String> {
    let mut data = String::from("{");
    for (place, denies) in [false, true].into_iter().enumerate() {
        let rules = world.rules.iter().filter(|rule| rule.denies == denies);
        let mut keys: BTreeMap<&str, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        for kind in ["hash", "name", "publisher"] {
            keys.entry(kind).or_default();
        }
        for rule in rules {
            let (kind, key) = selective(rule);
            let under = keys.entry(kind).or_default().entry(key).or_default();
            under.push(written(rule));
        }
        let kinds = keys.into_iter().map(|(kind, entries)| {
            let entries = entries
                .into_iter()
                .map(|(key, rules)| format!("{key:?}:[{}]", rules.join(",")));
            format!("{kind:?}:{{{}}}", entries.collect::<Vec<_>>().join(","))
        });
        let effect = if denies { "forbid" } else { "permit" };
        let comma = if place > 0 { "," } else { "" };
        write!(
            data,
            "{comma}{effect:?}:{{{}}}",
            kinds.collect::<Vec<_>>().join(",")
        )?;
    }
    data.push('}');
    Ok(data)
}

fn selective(rule: &Rule) -> (&'static str, String) {
    match (&rule.hash, &rule.name_end, &rule.publisher) {
        (Some(hash), _, _) => ("hash", hex(hash)),
        (None, Some(_), Some(publisher)) => ("publisher", publisher.clone()),
        _ => ("name", rule.name.clone()),
    }
}

fn written(rule: &Rule) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (folder, below) = match &rule.folder {
        Folder::Any => ("", ""),
        Folder::Exactly(folder) => (folder.as_str(), ""),
        Folder::Below(folder) => ("", folder.as_str()),
    };
    // A name that is given whole begins and ends with it; no drawn name has another twice.
    let name_end = rule.name_end.as_ref().unwrap_or(&rule.name);
    let (from, until) = rule.minutes.unwrap_or((0, 1440));
    format!(
        "{{\"name\":{:?},\"name_end\":{name_end:?},\"publisher\":{:?},\"user_group\":{:?},\"device_group\":{:?},\"folder\":{folder:?},\"below\":{below:?},\"from\":{from},\"until\":{until}}}",
        rule.name,
        text(&rule.publisher),
        text(&rule.user_group),
        text(&rule.device_group),
    )
}

/// The program on its virtual machine, with its data.
pub(crate) fn load(text: &str) -> anyhow::Result<RegoVM> {
    let mut engine = Engine::new();
    engine.add_policy("epm.rego".to_owned(), PROGRAM.to_owned())?;
    let compiled = engine.compile_with_entrypoint(&ENTRY.into())?;
    let program = Compiler::compile_from_policy(&compiled, &[ENTRY])?;
    let mut machine = RegoVM::new();
    machine.load_program(program);
    machine.set_data(Value::from_json_str(text)?)?;
    Ok(machine)
}

/// Rego with its inputs, made ahead of time.
pub(crate) struct Rego {
    machine: RegoVM,
    inputs: Vec<Value>,
}

impl Rego {
    pub(crate) fn new(world: &World, machine: RegoVM) -> anyhow::Result<Self> {
        let inputs = world
            .launches
            .iter()
            .map(|launch| Value::from_json_str(&input(world, launch)));
        Ok(Self {
            machine,
            inputs: inputs.collect::<Result<_, _>>()?,
        })
    }

    /// Whether launch `number` is let through.
    pub(crate) fn allows(&mut self, number: usize) -> anyhow::Result<bool> {
        self.machine.set_input(self.inputs[number].clone());
        Ok(self.machine.execute()? == Value::from(true))
    }
}

fn input(world: &World, launch: &Launch) -> String {
    let own = |texts: &[String]| {
        let mut entries: Vec<String> = texts.iter().map(|text| format!("{text:?}:true")).collect();
        entries.push("\"\":true".to_owned());
        entries.sort();
        entries.dedup();
        format!("{{{}}}", entries.join(","))
    };
    let (name, folder, publisher) = (&launch.name, &launch.folder, &launch.publisher);
    format!(
        "{{\"hash\":\"{}\",\"name\":{name:?},\"folder\":{folder:?},\"publisher\":{publisher:?},\"publishers\":{},\"folders\":{},\"user_groups\":{},\"device_groups\":{},\"minute\":{}}}",
        hex(&launch.hash),
        own(std::slice::from_ref(publisher)),
        own(std::slice::from_ref(folder)),
        own(&world.users[launch.user]),
        own(&world.devices[launch.device]),
        launch.minute,
    )
}
