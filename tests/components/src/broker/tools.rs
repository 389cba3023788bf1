//! Kafka's own command line on a broker: what a program that is not ours does to a topic. It must not know what our
//! records look like.

use std::io::Write as _;
use std::process::Stdio;

use super::Broker;

/// Stands for nothing where the producer reads a field.
const NOTHING: &str = "-";

/// A record as another program writes it. Texts are of one line, without tabs.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForeignRecord<'a> {
    /// Name and value of its header.
    pub header: Option<(&'a str, &'a str)>,
    /// Its key.
    pub key: Option<&'a str>,
    /// Its value.
    pub value: Option<&'a str>,
}

impl ForeignRecord<'_> {
    fn line(&self) -> String {
        let header = self.header.map(|(name, value)| format!("{name}:{value}"));
        format!(
            "{}\t{}\t{}\n",
            header.as_deref().unwrap_or(NOTHING),
            self.key.unwrap_or(NOTHING),
            self.value.unwrap_or(NOTHING),
        )
    }
}

impl Broker {
    /// Writes `records` with Kafka's console producer, in batches compressed with `codec`.
    ///
    /// # Panics
    ///
    /// Where the producer fails.
    pub fn produce(&self, topic: &str, codec: &str, records: &[ForeignRecord<'_>]) {
        let lines: String = records.iter().map(ForeignRecord::line).collect();
        let mut arguments = vec!["--topic", topic, "--compression-codec", codec];
        let null = format!("null.marker={NOTHING}");
        for property in ["parse.key=true", "parse.headers=true", &null] {
            arguments.extend(["--reader-property", property]);
        }
        self.tool(
            "org.apache.kafka.tools.ConsoleProducer",
            &arguments,
            lines.as_bytes(),
        );
    }

    /// Lets everything that is in `partition` now go, as retention would.
    ///
    /// # Panics
    ///
    /// Where the broker refuses.
    pub fn delete_all(&self, topic: &str, partition: u32) {
        let offsets = self.folder.join(format!("delete-{topic}-{partition}.json"));
        let text = format!(
            r#"{{"partitions":[{{"topic":"{topic}","partition":{partition},"offset":-1}}],"version":1}}"#
        );
        std::fs::write(&offsets, text).unwrap();
        let offsets = offsets.to_string_lossy();
        self.tool(
            "org.apache.kafka.tools.DeleteRecordsCommand",
            &["--offset-json-file", &offsets],
            b"",
        );
    }

    /// Runs a tool to its end.
    fn tool(&self, class: &str, arguments: &[&str], input: &[u8]) {
        let mut tool = self.java();
        tool.args([class, "--bootstrap-server", &self.bootstrap()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut tool = tool.spawn().unwrap();
        tool.stdin.take().unwrap().write_all(input).unwrap();
        let output = tool.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        // The producer tells of records that were not written, and ends well.
        let is_well = output.status.success() && !said.contains("ERROR");
        assert!(is_well, "{class} {arguments:?}: {said}");
    }
}
