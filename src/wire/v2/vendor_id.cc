// The Vendor ID payload's reading and writing.
#include "wire/v2/vendor_id.h"

namespace culvert::wire {

Result<VendorId> VendorId::decode(Reader& reader) { return VendorId{to_bytes(reader.rest())}; }

void VendorId::encode(Writer& writer) const { writer.bytes(data); }

}  // namespace culvert::wire
