"""Maps of whole scenes: windows in, finished rows out, GeoTIFFs with the scene's place on the map."""
