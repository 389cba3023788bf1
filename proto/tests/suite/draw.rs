//! Records drawn from random bytes, so that a failing one shrinks as its bytes do: no bytes left means default values.

use epm_proto::v1;
use epm_proto::v1::record::Body;
use proptest::prelude::*;

pub(crate) fn any_record() -> impl Strategy<Value = v1::Record> {
    proptest::collection::vec(any::<u8>(), 0..1200)
        .prop_map(|bytes| Draw(bytes.into_iter()).record())
}

struct Draw(std::vec::IntoIter<u8>);

impl Draw {
    fn byte(&mut self) -> u8 {
        self.0.next().unwrap_or_default()
    }

    fn u64(&mut self) -> u64 {
        // One to eight bytes, so that short and long varints both come.
        let length = self.byte() % 9;
        (0..length).fold(0, |value, _| value << 8 | u64::from(self.byte()))
    }

    fn u32(&mut self) -> u32 {
        self.u64() as u32
    }

    fn i32(&mut self) -> i32 {
        self.u64() as i32
    }

    fn i64(&mut self) -> i64 {
        self.u64() as i64
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn some<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| value(self))
    }

    fn list<T>(&mut self, mut value: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.byte() % 4).map(|_| value(self)).collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.byte() % 40).map(|_| self.byte()).collect()
    }

    fn text(&mut self) -> String {
        (0..self.byte() % 12)
            .map(|_| char::from_u32(self.u32() % 0x3000).unwrap_or('?'))
            .collect()
    }

    fn record(&mut self) -> v1::Record {
        v1::Record {
            agent_id: self.bytes(),
            epoch: self.u64(),
            sequence: self.u64(),
            previous_hash: self.bytes(),
            event_id: self.bytes(),
            observed_at_us: self.i64(),
            monotonic_us: self.u64(),
            boot_id: self.bytes(),
            schema_version: self.u32(),
            reporting_scope: self.i32(),
            source_event_key: self.bytes(),
            tenant_id: self.text(),
            device_id: self.text(),
            agent_version: self.text(),
            body: match self.byte() % 8 {
                0 => None,
                1 => Some(Body::ElevationExit(self.exit())),
                2 => Some(Body::Heartbeat(self.heartbeat())),
                3 => Some(Body::Loss(self.loss())),
                _ => Some(Body::Elevation(self.elevation())),
            },
        }
    }

    fn elevation(&mut self) -> v1::Elevation {
        v1::Elevation {
            outcome: self.i32(),
            management: self.i32(),
            decision_source: self.i32(),
            elevation_type: self.i32(),
            trigger: self.i32(),
            run_as: self.i32(),
            sensor: self.i32(),
            account_class: self.i32(),
            result_code: self.some(Self::i64),
            duration_ms: self.some(Self::u64),
            reason: self.text(),
            validated_justification: self.flag(),
            validated_authentication: self.flag(),
            user: self.some(Self::user),
            device: self.some(|draw| v1::Device {
                device_name: draw.text(),
                join_type: draw.text(),
                os_build: draw.text(),
            }),
            file: self.some(Self::file),
            process: self.some(Self::process),
            policy: self.some(Self::policy),
            justification: self.text(),
            repeat_count: self.u32(),
        }
    }

    fn user(&mut self) -> v1::User {
        v1::User {
            user_id: self.text(),
            upn: self.text(),
            user_name_raw: self.text(),
            user_type: self.i32(),
            is_local_admin: self.some(Self::flag),
            target_user_name: self.text(),
            target_user_id: self.text(),
        }
    }

    fn file(&mut self) -> v1::File {
        v1::File {
            path: self.text(),
            file_name: self.text(),
            sha256: self.bytes(),
            size_bytes: self.u64(),
            publisher_subject: self.text(),
            certificate_thumbprint: self.text(),
            certificate_issuer: self.text(),
            certificate_not_after_us: self.i64(),
            signature_status: self.i32(),
            product_name: self.text(),
            internal_name: self.text(),
            file_description: self.text(),
            file_version: self.text(),
            company_name: self.text(),
            arguments: self.text(),
            path_writable_by_user: self.some(Self::flag),
            is_network_path: self.some(Self::flag),
            mark_of_the_web: self.some(Self::flag),
            original_file_name: self.text(),
            other_hashes: self.text(),
        }
    }

    fn process(&mut self) -> v1::Process {
        v1::Process {
            pid: self.u64(),
            process_type: self.i32(),
            parent_path: self.text(),
            parent_sha256: self.bytes(),
            parent_event_id: self.bytes(),
            child_policy: self.text(),
            system_initiated: self.some(Self::flag),
            background: self.some(Self::flag),
            parent_pid: self.u64(),
            integrity_level: self.text(),
            token_elevation_type: self.u32(),
            logon_id: self.text(),
            working_directory: self.text(),
            terminal: self.text(),
            process_guid: self.text(),
            parent_arguments: self.text(),
        }
    }

    fn policy(&mut self) -> v1::Policy {
        v1::Policy {
            policy_id: self.text(),
            policy_name: self.text(),
            policy_version: self.text(),
            rule_id: self.text(),
            rule_name: self.text(),
            rule_target: self.i32(),
            candidate_rule_ids: self.list(Self::text),
            deciding_step: self.text(),
            attribute_score: self.u32(),
        }
    }

    fn exit(&mut self) -> v1::ElevationExit {
        v1::ElevationExit {
            start_key: self.bytes(),
            start_observed_at_us: self.i64(),
            result_code: self.some(Self::i64),
            duration_ms: self.some(Self::u64),
            signal: self.text(),
        }
    }

    fn heartbeat(&mut self) -> v1::Heartbeat {
        v1::Heartbeat {
            spool_records: self.u64(),
            spool_bytes: self.u64(),
            oldest_unsent_us: self.i64(),
            drops: self.list(|draw| v1::DropCount {
                reason: draw.i32(),
                records: draw.u64(),
            }),
            clock_offset_ms: self.i64(),
            device_name: self.text(),
            os_version: self.text(),
            policy_revision: self.text(),
            sensors: self.list(|draw| v1::SensorHealth {
                sensor: draw.i32(),
                state: draw.i32(),
                detail: draw.text(),
            }),
            effective_scope: self.i32(),
            started_at_us: self.u64(),
            interval_s: self.u32(),
            life_cycle: self.some(|draw| v1::LifeCycle {
                state: draw.i32(),
                since_us: draw.i64(),
                removal_us: draw.i64(),
                before: draw.i32(),
            }),
            applicability: None,
        }
    }

    fn loss(&mut self) -> v1::Loss {
        v1::Loss {
            reason: self.i32(),
            lost_epoch: self.u64(),
            first_sequence: self.u64(),
            last_sequence: self.u64(),
            counts: self.list(|draw| v1::LossCount {
                record_class: draw.i32(),
                records: draw.u64(),
            }),
            detail: self.text(),
        }
    }
}
