// What an operator may ask of a shard.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "eap/sim_credentials.h"
#include "eap/user_store.h"
#include "pki/crl.h"
#include "shard/output.h"

namespace culvert {

// Brings up a child (and its IKE SA when there is none), or with no child name the IKE SA and all
// children. Ends with CommandDone: success when the child is installed (or was already).
struct Initiate {
  CommandId id;
  std::string connection;  // may be empty when child is unique
  std::string child;
};

// Closes what matches all of the criteria that are set; CommandDone when every one is gone.
struct Terminate {
  CommandId id;
  std::string connection, child;
  std::uint32_t ike_unique_id = 0, child_unique_id = 0;
  bool force = false;  // without waiting for the peer
};

// Rekeys what matches all of the criteria that are set: CHILD SAs when `child` or `child_unique_id`
// is set, else IKE SAs, which are authenticated anew instead when `reauthenticate` is set.
// CommandDone when the rekeys are under way.
struct Rekey {
  CommandId id;
  std::string connection, child;
  std::uint32_t ike_unique_id = 0, child_unique_id = 0;
  bool reauthenticate = false;
};

// Replaces the connection of the same name. SAs that exist keep the configuration they were made
// with, except that a changed connection's children with start_action = start are closed. start and
// trap actions of its children are carried out; keep_up too.
struct LoadConnection {
  ConnectionRef connection;
};
// As LoadConnection, and the SAs that exist take the new settings over. Only the CHILD SAs of the
// children in `renew`, and of those that are gone, are deleted: their change needs a negotiation.
struct UpdateConnection {
  ConnectionRef connection;
  std::vector<std::string> renew;
};
// Its SAs stay, except those of children with start_action = start; its traps go.
struct UnloadConnection {
  CommandId id;
  std::string name;
};
struct LoadSecret {
  SharedSecret secret;
};
struct UnloadSecret {
  CommandId id;
  std::string secret_id;
};
struct ClearSecrets {};

// Replaces the EAP user of the same name.
struct LoadUser {
  eap::User user;
};
struct UnloadUser {
  std::string name;
};
// Replaces the subscriber of EAP-SIM and EAP-AKA of the same identity.
struct LoadSubscriber {
  eap::Subscriber subscriber;
};
struct UnloadSubscriber {
  std::string identity;
};
// Known from now on; trusted to vouch for others when it is a CA's.
struct LoadCertificate {
  pki::CertificateRef certificate;
  bool is_ca = false;
};
struct LoadCrl {
  pki::CrlRef crl;
};
// A private key can sign from now on; this is its public half.
struct LoadKey {
  PublicKeyRef key;
};
struct UnloadKey {
  KeyId key{};
};
// All certificates, CRLs and keys.
struct ClearCertificates {};
// What time of day it is at the moment of the command; told again when the clock is set.
struct SetDate {
  std::chrono::sys_time<Duration> date;
};

// Installs or removes the trap (or shunt) policy of a child.
struct InstallTrap {
  CommandId id;
  std::string connection, child;
};
struct UninstallTrap {
  CommandId id;
  std::string connection, child;
};

// Deletes everything, telling the peers; CommandDone when all have answered or `deadline` passed.
struct Shutdown {
  CommandId id;
  TimePoint deadline;
};

// The machine's addresses or routes are not what they were. `addresses`: the ones that peers may
// see, without loopback and link-local ones and our own device's.
struct NetworkChanged {
  std::vector<IpAddress> addresses;
};

// Dynamic authorization (RFC 5176).
struct EndSession {
  SessionId session;
  radius::TerminateCause cause{};
};
struct ChangeSession {
  SessionId session;
  AuthorizationRef changes;  // what it leaves out stays
};

using Command = std::variant<Initiate, Terminate, Rekey, LoadConnection, UpdateConnection,
                             UnloadConnection, LoadSecret, UnloadSecret, ClearSecrets, LoadUser,
                             LoadCertificate, LoadCrl, LoadKey, UnloadKey, ClearCertificates,
                             UnloadUser, LoadSubscriber, UnloadSubscriber, SetDate, InstallTrap,
                             UninstallTrap, Shutdown, NetworkChanged, EndSession, ChangeSession>;

}  // namespace culvert
