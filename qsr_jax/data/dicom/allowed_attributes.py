"""What a file without its subject may still say: an allow-list of attributes, and of their words.

A list of what must go is never complete: free text stands in hundreds of attributes outside of
PS3.15 table E.1 (SequenceName, StackID, TextValue), and new ones come every year. Here an attribute
stays when the reader, a viewer or an MR physicist needs it, and a text stays when it is a term that
the standard defines or a scanner's maker writes.
"""

from qsr_jax.data.dicom.series_rules import NOT_MAPS, PROTOCOLS, SPREADS, SeriesRule
from qsr_jax.maps import MAPS

_IMAGE = """
    Modality ImageType SeriesNumber InstanceNumber AcquisitionNumber ImagesInAcquisition
    TemporalPositionIdentifier NumberOfTemporalPositions BodyPartExamined Laterality
    BurnedInAnnotation LossyImageCompression PresentationLUTShape ContentLabel
    Manufacturer ManufacturerModelName MagneticFieldStrength
"""
_PIXELS = """
    SamplesPerPixel PhotometricInterpretation Rows Columns NumberOfFrames BitsAllocated BitsStored
    HighBit PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit RescaleSlope
    RescaleIntercept RescaleType WindowCenter WindowWidth
"""
_PLACE = """
    PixelSpacing ImageOrientationPatient ImagePositionPatient SliceThickness SpacingBetweenSlices
    SliceLocation PatientPosition
"""
_SCAN = """
    ScanningSequence SequenceVariant ScanOptions MRAcquisitionType RepetitionTime EchoTime
    EchoNumbers EchoTrainLength InversionTime FlipAngle VariableFlipAngleFlag NumberOfAverages
    ImagingFrequency ImagedNucleus PercentSampling PercentPhaseFieldOfView PixelBandwidth
    AcquisitionMatrix InPlanePhaseEncodingDirection NumberOfPhaseEncodingSteps
    ReconstructionDiameter EffectiveEchoTime InversionTimes RFEchoTrainLength
"""
_FRAMES = """
    SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence FrameContentSequence
    FrameAcquisitionNumber DimensionIndexValues InStackPositionNumber TemporalPositionIndex
    PixelMeasuresSequence PlanePositionSequence PlaneOrientationSequence
    PixelValueTransformationSequence FrameVOILUTSequence MRImageFrameTypeSequence
    ParametricMapFrameTypeSequence FrameType PixelPresentation VolumetricProperties
    VolumeBasedCalculationTechnique ComplexImageComponent AcquisitionContrast
    MRTimingAndRelatedParametersSequence MREchoSequence MRFOVGeometrySequence
    MRAcquisitionFrequencyEncodingSteps MRAcquisitionPhaseEncodingStepsInPlane
    DimensionOrganizationSequence DimensionIndexSequence DimensionIndexPointer
    FunctionalGroupPointer FrameAnatomySequence FrameLaterality AnatomicRegionSequence
"""
_QUANTITY = """
    RealWorldValueMappingSequence RealWorldValueFirstValueMapped RealWorldValueLastValueMapped
    DoubleFloatRealWorldValueFirstValueMapped DoubleFloatRealWorldValueLastValueMapped
    RealWorldValueSlope RealWorldValueIntercept MeasurementUnitsCodeSequence
    QuantityDefinitionSequence ConceptNameCodeSequence ConceptCodeSequence ValueType
"""
_SOURCES = """
    DerivationImageSequence SourceImageSequence ReferencedImageSequence ReferencedFrameNumber
    PurposeOfReferenceCodeSequence DerivationCodeSequence
"""
ALLOWED = frozenset(
    " ".join((_IMAGE, _PIXELS, _PLACE, _SCAN, _FRAMES, _QUANTITY, _SOURCES)).split()
)
"""Keywords of attributes that may stay, in the file and in the items of its sequences."""

_TERMS = """
    ORIGINAL DERIVED PRIMARY SECONDARY OTHER VOLUME QUANTITY NONE MIXED MR M P R I FFE SE IR TIR GR
    EP RM SK MTC SS TRSS SP MP OSP NORM ND FM FIL DIS2D DIS3D MFSPLIT UNSPECIFIED AXIAL LOCALIZER
    MAGNITUDE PHASE REAL IMAGINARY MONOCHROME2 IDENTITY YES NO 00 01 2D 3D ROW COL COLUMN Y N L B U
    HFS HFP FFS FFP HFDR HFDL FFDR FFDL BRAIN HEAD HEADNECK SKULL NECK CODE MONOCHROME SAMPLED
    DISTORTED RESAMPLED MEAN ADDITION STD_DEVIATION PARAMETRIC_MAP T1 T2 PD T2_STAR DIFFUSION
    PROTON_DENSITY FLUID_ATTENUATED PER RG CG PPG FC PFF PFP SP FS CT CS FAST_GEMS SEQ_GEMS
    EDR_GEMS FILTERED_GEMS ACC_GEMS VASCTOF_GEMS PFF_GEMS 1H US HU MS ms msec % 1
"""
_MAKERS = """
    GE MEDICAL SYSTEMS|GE HEALTHCARE|SIEMENS|Siemens|Siemens Healthineers|SIEMENS HEALTHINEERS
    |Philips|Philips Medical Systems|Philips Healthcare|Canon|TOSHIBA|CANON_MEC|Hitachi|HITACHI
    |UIH|Hyperfine|SyntheticMR|SyMRI|qsr_jax|QSR
    |SIGNA Pioneer|SIGNA Premier|SIGNA Architect|SIGNA Artist|SIGNA Voyager|SIGNA Explorer
    |SIGNA HDxt|DISCOVERY MR750|DISCOVERY MR750w|Optima MR450w|Prisma|Prisma_fit|Skyra|Skyra_fit
    |Verio|TrioTim|Trio|Avanto|Avanto_fit|Aera|Vida|MAGNETOM Vida|MAGNETOM Lumina|Achieva
    |Achieva dStream|Ingenia|Ingenia Elition X|Ingenia Ambition X|Intera
"""

_OWN = {token for row in (*PROTOCOLS, *SPREADS) for form in row.image_types() for token in form}
TERMS = frozenset(
    {*_TERMS.split(), *(word.strip() for word in _MAKERS.split("|")), *_OWN, *NOT_MAPS,
     *(f"{kind}_SYNTHETIC" for kind in ("T1W", "T2W", "PDW", "FLAIR"))}
)  # fmt: skip
"""Words that a text of an allowed attribute may be made of."""

UNKNOWN = "UNKNOWN"
"""Stands for a token of several that is no known term, so that the others keep their places."""

SCREENS = ("SCREEN SAVE", "SCREENSAVE", "SCREEN_SAVE", "SCREENSHOT", "SCREEN CAPTURE")
"""Tokens of ImageType that say that a picture of a screen, with its text, stands in the pixels."""

_CODES: dict[tuple[str, str], str] = {
    ("246205007", "SCT"): "Quantity",
    ("113085", "DCM"): "Spatial resampling",
    ("113076", "DCM"): "Segmentation",
    ("121322", "DCM"): "Source image for image processing operation",
    ("12738006", "SCT"): "Brain",
    ("69536005", "SCT"): "Head",
    ("T-A0100", "SRT"): "Brain",
    ("T-D1100", "SRT"): "Head",
    ("1", "UCUM"): "no units",
    ("%", "UCUM"): "percent",
    ("ms", "UCUM"): "millisecond",
    ("s", "UCUM"): "second",
}
CODES = _CODES | {
    pair: meaning
    for spec in MAPS.values()
    for pair, meaning in (
        ((spec.quantity[0], "DCM"), spec.quantity[1]),
        ((spec.ucum[0], "UCUM"), spec.ucum[1]),
    )
}
"""(CodeValue, CodingSchemeDesignator) of coded concepts that may stay, and what they mean."""


def terms_of(rows: tuple[SeriesRule, ...]) -> frozenset[str]:
    """:data:`TERMS` with the words by which a user's own rows recognise their maps."""
    return TERMS | {token for row in rows for form in row.image_types() for token in form}
