// Settings of a shard.
#pragma once

#include "ike/options.h"

namespace culvert {

using ShardOptions = IkeOptions;

}  // namespace culvert
