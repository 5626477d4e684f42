"""Headers that say who was scanned: words, dates, UIDs, private blocks, preamble."""

import gzip

import pydicom
from dicom_factory import save
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

WORD = "QUILP"
TEXTS = (
    *("PatientName", "PatientID", "OtherPatientNames", "PatientBirthName", "PatientAddress"),
    *("PatientComments", "AdditionalPatientHistory", "EthnicGroup", "Occupation", "MilitaryRank"),
    *("PatientTelephoneNumbers", "MedicalRecordLocator", "AccessionNumber", "StudyID"),
    *("InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "StationName"),
    *("ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "DeviceSerialNumber"),
    *("StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments", "StudyComments"),
    *("RequestedProcedureDescription", "PerformedProcedureStepDescription", "RequestingPhysician"),
    *("PerformedProcedureStepID", "ScheduledProcedureStepDescription", "DerivationDescription"),
    *("AcquisitionComments", "CountryOfResidence", "IssuerOfPatientID", "RequestingService"),
)
DATES = {
    "PatientBirthDate": "19431207",
    "StudyDate": "20260304",
    "SeriesDate": "20260304",
    "AcquisitionDate": "20260304",
    "ContentDate": "20260304",
    "AcquisitionDateTime": "20260304101112",
    "InstanceCreationDate": "20260304",
    "PerformedProcedureStepStartDate": "20260304",
}
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
PRIVATE = ((0x0009, "GEMS_IDEN_01"), (0x0025, "GEMS_SERS_01"), (0x3005, "GEHC_SyMR"))


def plant(ds):
    """Writes the word wherever an export may say who was scanned."""
    for keyword in TEXTS:
        value = f"{WORD}^X" if pydicom.datadict.dictionary_VR(keyword) == "PN" else WORD
        if keyword == "PatientID":
            value = f"{WORD} {ds.PatientID}"
        setattr(ds, keyword, value)
    for keyword, value in DATES.items():
        setattr(ds, keyword, value)
    for group, creator in PRIVATE:
        block = ds.private_block(group, creator, create=True)
        block.add_new(0x01, "LO", WORD)
        block.add_new(0x02, "UN", WORD.encode() + b" ")
    item = Dataset()
    item.PersonName = f"{WORD}^Y"
    item.private_block(0x0009, "GEMS_IDEN_01", create=True).add_new(1, "LO", WORD)
    request = Dataset()
    request.RequestedProcedureID, request.ScheduledProcedureStepID = WORD, WORD
    ds.RequestAttributesSequence = DicomSequence([request])
    ds.OtherPatientIDsSequence = DicomSequence([item])
    image = Dataset()
    image.ReferencedSOPClassUID = ds.SOPClassUID
    image.ReferencedSOPInstanceUID = ds.SOPInstanceUID
    ds.ReferencedImageSequence = DicomSequence([image])
    ds.file_meta.SourceApplicationEntityTitle = WORD
    ds.file_meta.PrivateInformationCreatorUID = "1.2.3.4"
    ds.file_meta.PrivateInformation = WORD.encode()
    ds.preamble = (WORD.encode() * 30)[:128]
    ds.add_new(0x00111113, "UN", WORD.encode() + b" ")  # private without a creator
    ds.add_new(0x00081113, "LO", WORD)  # in no dictionary


def plant_tree(root):
    """Plants in every file below ``root`` and in its name."""
    for path in sorted(root.rglob("*.dcm")):
        ds = pydicom.dcmread(path)
        plant(ds)
        save(ds, path.with_name(f"{WORD}{path.name}"))
        path.unlink()


def secrets_of(root):
    found = {WORD, *DATES.values()}
    for path in root.rglob("*.dcm"):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        found |= {str(ds[keyword].value) for keyword in (*UIDS, "PatientID")}
    return {secret.encode() for secret in found}


def contents(*folders):
    """Path to bytes of every file; compressed files opened."""
    paths = [p for f in folders for p in ([f] if f.is_file() else f.rglob("*")) if p.is_file()]
    return {p: (gzip.decompress if p.suffix == ".gz" else bytes)(p.read_bytes()) for p in paths}
