// What EAP-SIM, EAP-AKA and EAP-AKA' ask of an authentication centre (the server's side) and of a
// SIM (the peer's), and a store and a card that do Milenage.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "eap/milenage.h"

namespace culvert::eap {

inline constexpr std::size_t kRandSize = 16;
inline constexpr std::size_t kAutnSize = 16;
inline constexpr std::size_t kAutsSize = 14;
inline constexpr std::size_t kSresSize = 4;
inline constexpr std::size_t kKcSize = 8;

struct Triplet {
  Bytes rand, sres, kc;
};
struct Quintuplet {
  Bytes rand, autn, xres, ck, ik;  // xres: 4 to 16 octets
};

class AuthenticationCentre {
 public:
  virtual ~AuthenticationCentre() = default;
  // The subscriber's name in the records; nullopt: there is none with this identity.
  virtual std::optional<std::string> subscriber(std::string_view identity) const = 0;
  // `count` triplets with different RANDs; fewer when there are no more.
  virtual std::vector<Triplet> triplets(std::string_view identity, std::size_t count) = 0;
  // A fresh one. `separation` is the AMF bit that keeps AKA' and AKA apart.
  virtual std::optional<Quintuplet> quintuplet(std::string_view identity, bool separation) = 0;
  // Takes over the card's sequence number from AUTS, which answered `rand`; false: AUTS is wrong.
  virtual bool resynchronise(std::string_view identity, ByteView rand, ByteView auts) = 0;
};

class SimCard {
 public:
  virtual ~SimCard() = default;
  struct Gsm {
    Bytes sres, kc;
  };
  virtual std::optional<Gsm> gsm(ByteView rand) = 0;
  struct Umts {
    Bytes res, ck, ik;
  };
  struct Resynchronise {
    Bytes auts;
  };
  struct Rejected {};  // AUTN is not from our network
  using UmtsResult = std::variant<Rejected, Resynchronise, Umts>;
  virtual UmtsResult umts(ByteView rand, ByteView autn) = 0;
};

// A subscriber: keys of Milenage and the last sequence number, or triplets that were made before.
// It may be a user who comes to us, and the card that we are elsewhere.
struct Subscriber {
  std::string identity;  // the permanent one, as the peer sends it, or without its first digit and
                         // realm (the IMSI)
  std::optional<milenage::Keys> keys;
  std::uint64_t sqn = 0;
  std::vector<Triplet> triplets;  // each is used in turn
};

Subscriber clone(const Subscriber& subscriber);

class SubscriberStore final : public AuthenticationCentre {
 public:
  // `used` hears of every sequence number that must not be used again, which the owner keeps over a
  // restart.
  using Used = std::function<void(const std::string& identity, std::uint64_t sqn)>;
  explicit SubscriberStore(Provider& provider, Used used = {})
      : provider_(provider), used_(std::move(used)) {}
  // Replaces the one of the same identity. A sequence number never goes back.
  void add(Subscriber subscriber);
  bool remove(const std::string& identity);
  bool empty() const { return entries_.empty(); }
  // The last sequence number given out, or seen by the card; nullopt: no such subscriber.
  std::optional<std::uint64_t> sqn(std::string_view identity) const;
  // The subscriber's own card; nullptr: there is no such subscriber. The store outlives it.
  std::unique_ptr<SimCard> card(std::string_view identity);

  std::optional<std::string> subscriber(std::string_view identity) const override;
  std::vector<Triplet> triplets(std::string_view identity, std::size_t count) override;
  std::optional<Quintuplet> quintuplet(std::string_view identity, bool separation) override;
  bool resynchronise(std::string_view identity, ByteView rand, ByteView auts) override;

 private:
  class Card;
  struct Entry {
    Subscriber subscriber;
    std::size_t next_triplet = 0;
  };
  void use(Subscriber& subscriber, std::uint64_t sqn);
  const Entry* find(std::string_view identity) const;
  Entry* find(std::string_view identity) {
    return const_cast<Entry*>(std::as_const(*this).find(identity));
  }

  Provider& provider_;
  Used used_;
  std::unordered_map<std::string, Entry> entries_;
};

class MilenageCard final : public SimCard {
 public:
  // `sqn` is the highest that the card has seen.
  MilenageCard(Provider& provider, milenage::Keys keys, std::uint64_t sqn)
      : provider_(provider), keys_(std::move(keys)), sqn_(sqn) {}
  std::uint64_t sqn() const { return sqn_; }
  std::optional<Gsm> gsm(ByteView rand) override;
  UmtsResult umts(ByteView rand, ByteView autn) override;

 private:
  Provider& provider_;
  milenage::Keys keys_;
  std::uint64_t sqn_;
};

// A card of which only some answers are known.
class TripletCard final : public SimCard {
 public:
  explicit TripletCard(std::vector<Triplet> triplets) : triplets_(std::move(triplets)) {}
  std::optional<Gsm> gsm(ByteView rand) override;
  UmtsResult umts(ByteView, ByteView) override { return Rejected{}; }

 private:
  std::vector<Triplet> triplets_;
};

}  // namespace culvert::eap
